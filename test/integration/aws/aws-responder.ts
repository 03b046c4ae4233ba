/**
 * A loopback server that speaks the wire protocols of SSM, SNS and Secrets Manager: real SDK clients are pointed at it, and
 * a test says what each action answers.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';

/** One call as it came over the wire. */
export interface WireCall {
  /** `GetParametersByPath`, `Publish`, … */
  readonly action: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** An answer: JSON for SSM and Secrets Manager; for SNS its XML is made from `MessageId`. */
export interface WireAnswer {
  readonly status?: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export type Responder = (call: WireCall) => WireAnswer | Promise<WireAnswer>;

/** An error as the JSON protocols write it. */
export function wireError(name: string, message = 'said the responder', status = 400): WireAnswer {
  return { status, body: { __type: `com.amazonaws.test#${name}`, message } };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function parse(request: IncomingMessage, text: string): WireCall {
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') {
    const parsed: unknown = JSON.parse(text);
    return { action: target.split('.').at(-1) ?? '', input: typeof parsed === 'object' && parsed !== null ? { ...parsed } : {} };
  }
  const form = Object.fromEntries(new URLSearchParams(text));
  return { action: form.Action ?? '', input: form };
}

/** The server and what it was asked. */
export class AwsResponder {
  readonly calls: WireCall[] = [];
  respond: Responder = () => wireError('NothingPrepared');
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      void (async () => {
        const call = parse(request, await textOf(request));
        this.calls.push(call);
        const { status = 200, body } = await this.respond(call);
        const query = request.headers['x-amz-target'] === undefined;
        response.writeHead(status, { 'content-type': query ? 'text/xml' : 'application/x-amz-json-1.1' });
        response.end(query ? xmlOf(call.action, status, body) : JSON.stringify(body));
      })();
    });
  }

  /** Starts on a free port. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get endpoint(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the responder is not running');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Client configuration of the SDK: this endpoint, placeholder credentials. */
  get client(): { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } } {
    return { endpoint: this.endpoint, region: 'eu-central-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  }

  /** Names of the actions called, in order. */
  get actions(): string[] {
    return this.calls.map(({ action }) => action);
  }
}

function xmlOf(action: string, status: number, body: Readonly<Record<string, unknown>>): string {
  if (status >= 400) {
    const code = String(body['__type']).split('#').at(-1);
    return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${String(body.message)}</Message></Error><RequestId>r</RequestId></ErrorResponse>`;
  }
  return `<${action}Response><${action}Result><MessageId>${String(body.MessageId)}</MessageId></${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></${action}Response>`;
}
