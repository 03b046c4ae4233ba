/**
 * The client of providers, on undici: one pool a provider, own deadlines for connecting, the first byte, silence and the
 * whole call. It never follows a redirect (the next address would see the credential), never resends, and knows for
 * certain whether a request had begun to leave when it failed.
 */
import { Agent } from 'undici';
import type { SecretSource } from '../../application/ports.ts';
import type { Log, ProviderCall, ProviderClient, ProviderFailure, ProviderReply } from '../../application/ports-provider.ts';
import type { Provider } from '../../domain/policy.ts';
import { Exchange } from './exchange.ts';
import { protocolHeaders } from './protocol-headers.ts';

/** Largest response header block that is read. */
const MAX_HEADER_BYTES = 32 * 1024;
/** Shorter than what servers keep an idle connection for, so that a request rarely meets a closing one. */
const KEEP_ALIVE_MS = 4_000;
/** A rejected secret look-up is not repeated for every call. */
const SECRET_AGE_MS = 60_000;

/** Where a provider of a policy is reached, worked out once. */
interface Endpoint {
  readonly agent: Agent;
  readonly origin: string;
  readonly basePath: string;
}

interface CachedSecret {
  readonly value: Promise<string | undefined>;
  readonly atEpochMs: number;
}

/** Sends requests to providers; `close` ends its pools. */
export class HttpProvider implements ProviderClient {
  private readonly agents = new Map<string, Agent>();
  private readonly endpoints = new WeakMap<Provider, Endpoint>();
  private readonly secrets = new Map<string, CachedSecret>();
  private readonly source: SecretSource;
  private readonly log: Log;
  private readonly userAgent: string;

  /** @param version goes into the `user-agent` that providers see */
  constructor(source: SecretSource, log: Log, version: string) {
    this.source = source;
    this.log = log;
    this.userAgent = `tollgate/${version}`;
  }

  async send(call: ProviderCall): Promise<ProviderReply> {
    const { provider } = call;
    let secret: string | undefined;
    if (provider.credential.kind !== 'none') {
      secret = provider.credential.kind === 'secret' ? await this.secret(provider.credential.name) : undefined;
      if (secret === undefined) {
        this.log.error('the credential of a provider is missing', {
          provider: provider.name,
          credential: provider.credential.kind,
        });
        return failed('credential_missing');
      }
    }
    const { agent, origin, basePath } = this.endpoint(provider);
    const exchange = new Exchange(provider.timeoutMs, call.deadlineEpochMs, call.onSent);
    const reply = await exchange.run(agent, {
      origin,
      path: `${basePath}${call.path}`,
      method: 'POST',
      body: call.body,
      headers: {
        ...protocolHeaders(provider.protocol, call.headers, secret),
        'content-type': 'application/json',
        'accept-encoding': 'identity',
        'user-agent': this.userAgent,
      },
    });
    return reply.kind === 'answer' ? { ...reply, scrub: (body) => scrubbed(body, secret) } : reply;
  }

  /** Ends idle connections at once and running calls when they are over. */
  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.close()));
  }

  private endpoint(provider: Provider): Endpoint {
    let endpoint = this.endpoints.get(provider);
    if (endpoint === undefined) {
      const url = new URL(provider.baseUrl);
      endpoint = { agent: this.agent(provider), origin: url.origin, basePath: url.pathname.replace(/\/$/, '') };
      this.endpoints.set(provider, endpoint);
    }
    return endpoint;
  }

  private agent(provider: Provider): Agent {
    const key = `${provider.name} ${provider.timeoutMs.connect}`;
    let agent = this.agents.get(key);
    if (agent === undefined) {
      agent = new Agent({
        allowH2: false,
        connect: { timeout: provider.timeoutMs.connect },
        pipelining: 1,
        // Our own deadlines are exact and know a paused reader from a silent provider.
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      });
      this.agents.set(key, agent);
    }
    return agent;
  }

  private async secret(name: string): Promise<string | undefined> {
    let cached = this.secrets.get(name);
    if (cached === undefined || Date.now() - cached.atEpochMs > SECRET_AGE_MS) {
      cached = { value: this.source.find(name), atEpochMs: Date.now() };
      this.secrets.set(name, cached);
    }
    try {
      const value = await cached.value;
      // A line end in a pasted key would be an illegal header, and the error would quote it.
      return value === undefined || value.trim() === '' ? undefined : value.trim();
    } catch {
      this.secrets.delete(name);
      return undefined;
    }
  }
}

function scrubbed(body: Uint8Array, secret: string | undefined): Uint8Array {
  if (secret === undefined) return body;
  const text = Buffer.from(body).toString('latin1');
  return text.includes(secret) ? Buffer.from(text.replaceAll(secret, '[credential]'), 'latin1') : body;
}

function failed(reason: ProviderFailure): ProviderReply {
  return { kind: 'failed', reason, sent: false };
}
