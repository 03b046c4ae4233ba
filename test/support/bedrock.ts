/** What tests of Amazon Bedrock share: its frames, a role's credentials, and a check of signatures that owes nothing to the signer. */
import { createHash, createHmac } from 'node:crypto';
import { EventStreamCodec } from '@smithy/core/event-streams';
import type { AwsCredentials } from '../../lambdas/adapters/providers/aws-signer.ts';
import type { RawCall } from './raw-provider.ts';

export const ROLE: AwsCredentials = {
  accessKeyId: 'AKIDTESTROLE',
  secretAccessKey: 'test-secret-of-the-role',
  sessionToken: 'test-session-token',
};

/** A provider at Bedrock's InvokeModel. */
export const BEDROCK = {
  protocol: 'anthropic',
  apis: ['messages'],
  credential: { kind: 'iam', service: 'bedrock', region: 'eu-central-1' },
} as const;

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** A frame of the stream. */
export function frame(payload: unknown, headers: Readonly<Record<string, string>> = {}): Buffer {
  const all = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event', ...headers };
  return Buffer.from(
    codec.encode({
      headers: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, { type: 'string' as const, value }])),
      body: Buffer.from(JSON.stringify(payload)),
    }),
  );
}

/** Anthropic's events, from the text of a stream of theirs, in Bedrock's frames. */
export function framesOf(sse: string): Buffer[] {
  const events = sse.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice('data: '.length)] : []));
  return events.map((event) => frame({ bytes: Buffer.from(event).toString('base64'), p: 'abcd' }));
}

/** Answers as a stream of Bedrock's. */
export function answerFrames({ res }: Pick<RawCall, 'res'>, bytes: Uint8Array): void {
  res.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' }).end(bytes);
}

/** The scope that a request was signed for. @throws when the signature is not right for the bytes that came */
export function verifySignature({ req, body }: RawCall, { secretAccessKey }: AwsCredentials): string {
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
    req.headers.authorization ?? '',
  );
  const [, , scope = '', signedHeaders = '', signature] = match ?? [];
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const canonical = [
    req.method,
    // Each part of the path is encoded once more than it was sent.
    (req.url ?? '').split('/').map(encodeURIComponent).join('/'),
    '',
    ...signedHeaders.split(';').map((name) => `${name}:${String(req.headers[name]).trim()}`),
    '',
    signedHeaders,
    sha256(body),
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', req.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const keyed = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const key = scope.split('/').reduce<string | Buffer>((before, part) => keyed(before, part), `AWS4${secretAccessKey}`);
  if (keyed(key, toSign).toString('hex') !== signature) throw new Error(`this signature is wrong:\n${canonical}`);
  return `${scope.slice(scope.indexOf('/') + 1)} ${signedHeaders}`;
}
