/**
 * Signs requests with the role that the gateway runs as (AWS Signature Version 4). Imported when a policy has a provider that wants it:
 * the SDK's chain of credentials and its signer are then read, and not before.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { SignatureV4 } from '@smithy/signature-v4';

/** A key of a role, which mostly lives for hours. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** Gives the credentials in force. `forceRefresh` reads them anew although they are not known to be over. */
export type AwsCredentialSource = (options?: { readonly forceRefresh?: boolean }) => Promise<AwsCredentials>;

export interface SignedHeaders {
  /** With `authorization`, `x-amz-date`, `x-amz-content-sha256` and, where there is one, the session's token. */
  readonly headers: Readonly<Record<string, string>>;
  /** What must not be seen in any answer or log. */
  readonly secrets: readonly string[];
}

/** Refused credentials are not read anew more often than this, ms. */
const REFRESH_EVERY_MS = 10_000;

/** Signs for any service and region. */
export class AwsSigner {
  private readonly source: AwsCredentialSource;
  private readonly now: () => number;
  private refreshNext = false;
  private refreshedEpochMs = Number.NEGATIVE_INFINITY;

  /**
   * @param source absent: the SDK's chain, which on Lambda is the function's role
   * @param now epoch ms; absent: the machine's clock
   */
  constructor(source: AwsCredentialSource = defaultProvider(), now: () => number = Date.now) {
    this.source = source;
    this.now = now;
  }

  /**
   * @param headers to sign beside the host
   * @param body exactly the bytes that will be sent
   * @throws when there are no credentials
   */
  async sign(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    { service, region }: { readonly service: string; readonly region: string },
  ): Promise<SignedHeaders> {
    const credentials = await this.credentials();
    const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
    const request = await signer.sign(
      {
        method: 'POST',
        protocol: url.protocol,
        hostname: url.hostname,
        path: url.pathname,
        headers: { host: url.host, ...headers },
        body,
      },
      { signingDate: new Date(this.now()) },
    );
    const { host: _sentByTheClient, ...signed } = request.headers;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const secrets = [secretAccessKey, accessKeyId, sessionToken, /Signature=([0-9a-f]+)/.exec(signed.authorization ?? '')?.[1]];
    return { headers: signed, secrets: secrets.filter((secret) => secret !== undefined) };
  }

  /** The service did not take the credentials: the next request is signed with what is read anew. */
  refused(): void {
    this.refreshNext = true;
  }

  private async credentials(): Promise<AwsCredentials> {
    if (!this.refreshNext || this.now() - this.refreshedEpochMs < REFRESH_EVERY_MS) return this.source();
    this.refreshNext = false;
    this.refreshedEpochMs = this.now();
    return this.source({ forceRefresh: true });
  }
}

/** SHA-256, plain or keyed, as the signer wants it. */
class Sha256 {
  private readonly secret: string | Uint8Array | undefined;
  private hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.secret = secret === undefined || typeof secret === 'string' ? secret : bytesOf(secret);
    this.hash = this.begin();
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.hash.update(typeof data === 'string' ? data : bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.hash.digest());
  }

  reset(): void {
    this.hash = this.begin();
  }

  private begin(): Hash | Hmac {
    return this.secret === undefined ? createHash('sha256') : createHmac('sha256', this.secret);
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
}
