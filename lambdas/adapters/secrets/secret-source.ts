/**
 * Providers' credentials from Secrets Manager, under the stage's prefix. A value is kept for five minutes and no request waits for it; one
 * that a provider refuses is read anew at the next call, so that a rotated key is in use at once. It never reaches a log or an error.
 */
import type { SecretsManagerClient, SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager';
import type { Clock, SecretSource } from '../../application/ports.ts';

/** How long a value is used without looking again, ms. */
const FRESH_MS = 5 * 60_000;
/** How long a missing secret counts as missing, ms: the operator is putting it there right now. */
const MISSING_MS = 30_000;
/** How long a value outlives a Secrets Manager that does not answer, ms. */
const KEEP_MS = 60 * 60_000;
/** A value that a provider refuses is not read anew more often than this, ms: a wrong key would ask with every call. */
const REFUSED_MS = 10_000;

/** A secret exists and cannot be used. */
export class UnusableSecretError extends Error {
  readonly code = 'unusable_secret';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnusableSecretError';
  }
}

export interface SecretsManagerSourceOptions {
  /** What names begin with, a slash at its end: `tollgate/dev/`. */
  readonly prefix: string;
  readonly clock: Clock;
  /** Told why a secret could not be read or used, and whether an old value stays in use. Never with a value. */
  readonly onProblem: (message: string) => void;
  /** Such as an endpoint. */
  readonly client?: SecretsManagerClientConfig;
}

interface Kept {
  readonly value: string | undefined;
  readonly readEpochMs: number;
  /** Last time that it was asked for, with or without an answer. */
  askedEpochMs: number;
  /** Until then it is used without looking. */
  freshUntilEpochMs: number;
}

/** Secrets from AWS Secrets Manager: a plain string, or JSON with `api_key`. */
export class SecretsManagerSource implements SecretSource {
  private readonly options: SecretsManagerSourceOptions;
  private readonly kept = new Map<string, Kept>();
  private readonly reading = new Map<string, Promise<string | undefined>>();
  private client: SecretsManagerClient | undefined;

  constructor(options: SecretsManagerSourceOptions) {
    this.options = options;
  }

  /** @throws UnusableSecretError when the secret is there and cannot be read or used */
  async find(name: string): Promise<string | undefined> {
    const kept = this.kept.get(name);
    if (kept && this.options.clock.now() < kept.freshUntilEpochMs) return kept.value;
    const underWay = this.reading.get(name);
    if (underWay) return underWay;
    const reading = this.read(name, kept).finally(() => this.reading.delete(name));
    this.reading.set(name, reading);
    return reading;
  }

  refused(name: string, value: string): void {
    const kept = this.kept.get(name);
    if (kept?.value !== value) return;
    kept.freshUntilEpochMs = Math.min(kept.freshUntilEpochMs, kept.askedEpochMs + REFUSED_MS);
  }

  private async read(name: string, kept: Kept | undefined): Promise<string | undefined> {
    const { clock } = this.options;
    const now = clock.now();
    try {
      const value = await this.fetch(name);
      const freshMs = value === undefined ? MISSING_MS : FRESH_MS;
      this.kept.set(name, { value, readEpochMs: now, askedEpochMs: now, freshUntilEpochMs: now + freshMs });
      return value;
    } catch (error) {
      if (kept?.value !== undefined && now - kept.readEpochMs < KEEP_MS) {
        kept.askedEpochMs = now;
        kept.freshUntilEpochMs = now + MISSING_MS;
        this.options.onProblem(
          `secret ${this.options.prefix}${name} could not be read again; the last value stays in use (${nameOf(error)})`,
        );
        return kept.value;
      }
      const id = `${this.options.prefix}${name}`;
      const problem =
        error instanceof UnusableSecretError
          ? error
          : new UnusableSecretError(`secret ${id} could not be read (${nameOf(error)})`, { cause: error });
      // Said here, since whoever asked may only see that there is no credential.
      this.options.onProblem(problem.message);
      throw problem;
    }
  }

  private async fetch(name: string): Promise<string | undefined> {
    const id = `${this.options.prefix}${name}`;
    const { GetSecretValueCommand, SecretsManagerClient } = await import('./client.ts');
    this.client ??= new SecretsManagerClient({
      maxAttempts: 3,
      requestHandler: { connectionTimeout: 1000, requestTimeout: 2000, throwOnRequestTimeout: true },
      ...this.options.client,
    });
    try {
      const answer = await this.client.send(new GetSecretValueCommand({ SecretId: id }));
      if (answer.SecretString === undefined) throw new UnusableSecretError(`secret ${id} is binary; store the key as text`);
      return credentialIn(answer.SecretString, id);
    } catch (error) {
      if (nameOf(error) === 'ResourceNotFoundException') return undefined;
      throw error;
    }
  }
}

/**
 * The key in a secret's text, which is the key itself or JSON with `api_key`.
 * @throws UnusableSecretError, without the text, when it holds no usable key
 */
export function credentialIn(text: string, id: string): string {
  const trimmed = text.trim();
  const value = trimmed.startsWith('{') ? fieldOf(trimmed, id) : trimmed;
  if (value === '') throw new UnusableSecretError(`secret ${id} is empty; put the provider's key there`);
  // A key travels in a header. Said here, because fetch would complain with the value in its message.
  if (!/^[\x21-\x7e]+$/.test(value)) throw new UnusableSecretError(`secret ${id} holds characters that no header can carry`);
  return value;
}

function fieldOf(json: string, id: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw new UnusableSecretError(`secret ${id} begins like JSON and is none`);
  }
  const value = typeof parsed === 'object' && parsed !== null && 'api_key' in parsed ? parsed.api_key : undefined;
  if (typeof value !== 'string') throw new UnusableSecretError(`secret ${id} is JSON without a text "api_key"`);
  return value.trim();
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown error';
}
