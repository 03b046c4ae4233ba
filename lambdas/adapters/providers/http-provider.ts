/**
 * The client of providers, on undici: one pool a provider, own deadlines for connecting, the first byte, silence and the
 * whole call. It never follows a redirect (the next address would see the credential), never resends, and knows for
 * certain whether a request had begun to leave when it failed.
 */
import { Agent } from 'undici';
import type { SecretSource } from '../../application/ports.ts';
import type { Log, ProviderCall, ProviderClient, ProviderFailure, ProviderReply } from '../../application/ports-provider.ts';
import type { Provider } from '../../domain/policy.ts';
import { isBedrockInvoke } from '../../domain/protocols/registry.ts';
import type { AwsCredentialSource, AwsSigner } from './aws-signer.ts';
import { Exchange } from './exchange.ts';
import { protocolHeaders } from './protocol-headers.ts';

/** Largest response header block that is read. */
const MAX_HEADER_BYTES = 32 * 1024;
/** Shorter than what servers keep an idle connection for, so that a request rarely meets a closing one. */
const KEEP_ALIVE_MS = 4_000;
const JSON_TYPE = 'application/json';
const EVENT_STREAM = 'application/vnd.amazon.eventstream';

type Answer = Extract<ProviderReply, { readonly kind: 'answer' }>;

/** Where a provider of a policy is reached, worked out once. */
interface Endpoint {
  readonly agent: Agent;
  readonly origin: string;
  readonly basePath: string;
}

/** What lets a request in at a provider. */
interface Pass {
  readonly headers: Readonly<Record<string, string>>;
  /** What must not be seen in any answer or log. */
  readonly secrets: readonly string[];
  /** It was not let in. */
  readonly refused: () => void;
}

/** Sends requests to providers; `close` ends its pools. */
export class HttpProvider implements ProviderClient {
  private readonly agents = new Map<string, Agent>();
  private readonly endpoints = new WeakMap<Provider, Endpoint>();
  private signer: Promise<AwsSigner> | undefined;
  private readonly source: SecretSource;
  private readonly log: Log;
  private readonly userAgent: string;
  private readonly awsCredentials: AwsCredentialSource | undefined;

  /**
   * @param version goes into the `user-agent` that providers see
   * @param awsCredentials sign requests to AWS; absent: those of the role that this runs as
   */
  constructor(source: SecretSource, log: Log, version: string, awsCredentials?: AwsCredentialSource) {
    this.source = source;
    this.log = log;
    this.userAgent = `tollgate/${version}`;
    this.awsCredentials = awsCredentials;
  }

  async send(call: ProviderCall): Promise<ProviderReply> {
    const { provider } = call;
    const pass = await this.pass(call);
    if (pass === undefined) {
      this.log.error('the credential of a provider is missing', {
        provider: provider.name,
        credential: provider.credential.kind,
      });
      return failed('credential_missing');
    }
    const { agent, origin, basePath } = this.endpoint(provider);
    const exchange = new Exchange(provider.timeoutMs, call.deadlineEpochMs, call.onSent);
    const reply = await exchange.run(agent, {
      origin,
      path: `${basePath}${call.path}`,
      method: 'POST',
      body: call.body,
      headers: { ...pass.headers, 'content-type': JSON_TYPE, 'accept-encoding': 'identity', 'user-agent': this.userAgent },
    });
    if (reply.kind !== 'answer') return reply;
    if (reply.status === 401 || reply.status === 403) pass.refused();
    const read = isBedrockInvoke(provider) ? await readable(reply) : reply;
    return { ...read, scrub: (body) => scrubbed(body, pass.secrets) };
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

  /** What lets a request in; undefined when there is nothing to show. */
  private async pass(call: ProviderCall): Promise<Pass | undefined> {
    const { provider, headers } = call;
    const { credential } = provider;
    switch (credential.kind) {
      case 'none':
        return { headers: protocolHeaders(provider, headers), secrets: [], refused: () => undefined };
      case 'secret': {
        const secret = await this.secret(credential.name);
        if (secret === undefined) return undefined;
        return {
          headers: protocolHeaders(provider, headers, secret),
          secrets: [secret],
          refused: () => this.source.refused?.(credential.name, secret),
        };
      }
      case 'iam':
        return await this.signed(call, credential);
      default:
        return credential satisfies never;
    }
  }

  private async secret(name: string): Promise<string | undefined> {
    try {
      const value = (await this.source.find(name))?.trim();
      // A line end in a pasted key would be an illegal header, and the error would quote it.
      return value === '' ? undefined : value;
    } catch {
      return undefined;
    }
  }

  private async signed(
    call: ProviderCall,
    scope: { readonly service: string; readonly region: string },
  ): Promise<Pass | undefined> {
    const { provider } = call;
    try {
      this.signer ??= import('./aws-signer.ts').then(({ AwsSigner }) => new AwsSigner(this.awsCredentials));
      const signer = await this.signer;
      const url = new URL(`${provider.baseUrl}${call.path}`);
      const { headers, secrets } = await signer.sign(url, { 'content-type': JSON_TYPE }, call.body, scope);
      return { headers: { ...protocolHeaders(provider, call.headers), ...headers }, secrets, refused: () => signer.refused() };
    } catch {
      return undefined;
    }
  }
}

/** Bedrock's frames become server-sent events before anyone reads them. */
async function readable(reply: Answer): Promise<Answer> {
  if (reply.headers.get('content-type')?.toLowerCase().startsWith(EVENT_STREAM) !== true) return reply;
  const { EventStreamBody } = await import('./event-stream-body.ts');
  const headers = new Map([...reply.headers, ['content-type', 'text/event-stream']]);
  return { ...reply, headers, body: new EventStreamBody(reply.body) };
}

function scrubbed(body: Uint8Array, secrets: readonly string[]): Uint8Array {
  const text = Buffer.from(body).toString('latin1');
  if (!secrets.some((secret) => text.includes(secret))) return body;
  return Buffer.from(
    secrets.reduce((clean, secret) => clean.replaceAll(secret, '[credential]'), text),
    'latin1',
  );
}

function failed(reason: ProviderFailure): ProviderReply {
  return { kind: 'failed', reason, sent: false };
}
