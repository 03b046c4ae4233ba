/** Stands between a function and its database and notes the IAM actions that each call needs, on a table or on an index. */
import { type Server, createServer, request as send } from 'node:http';

/** `dynamodb:Query index/byWallet`, `dynamodb:PutItem`. */
export type NeededRight = string;

/** Rights that a call needs. A transaction needs those of its parts: TransactWriteItems is no action of IAM. */
export function rightsOf(operation: string, input: Readonly<Record<string, unknown>>): NeededRight[] {
  if (operation !== 'TransactWriteItems') {
    const index = typeof input.IndexName === 'string' ? ` index/${input.IndexName}` : '';
    return [`dynamodb:${operation}${index}`];
  }
  const parts = Array.isArray(input.TransactItems) ? input.TransactItems : [];
  const actions: Readonly<Record<string, string>> = {
    Put: 'PutItem',
    Update: 'UpdateItem',
    Delete: 'DeleteItem',
    ConditionCheck: 'ConditionCheckItem',
  };
  return parts.flatMap((part: object) => Object.keys(part).map((kind) => `dynamodb:${actions[kind] ?? kind}`));
}

/** A loopback proxy for DynamoDB's protocol. */
export class DynamoDbRecorder {
  readonly rights = new Set<NeededRight>();
  private readonly server: Server;

  constructor(database: string) {
    const target = new URL(database);
    this.server = createServer((incoming, outgoing) => {
      const pieces: Buffer[] = [];
      incoming.on('data', (piece: Buffer) => pieces.push(piece));
      incoming.on('end', () => {
        const body = Buffer.concat(pieces);
        const operation = String(incoming.headers['x-amz-target']).split('.').at(-1) ?? '';
        for (const right of rightsOf(operation, JSON.parse(body.toString('utf8')))) this.rights.add(right);
        const options = {
          host: target.hostname,
          port: target.port,
          method: incoming.method,
          path: incoming.url,
          headers: incoming.headers,
        };
        const forwarded = send(options, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        });
        forwarded.on('error', () => outgoing.destroy());
        forwarded.end(body);
      });
    });
  }

  /** Starts on a free port and gives the address. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the recorder is not running');
    return `http://127.0.0.1:${address.port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
