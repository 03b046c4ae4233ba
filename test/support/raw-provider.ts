/** A provider whose every byte a test decides, at the moment it decides. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RawCall {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly body: string;
}

export class RawProvider {
  readonly calls: RawCall[] = [];
  private readonly server: Server;
  private waiting: ((call: RawCall) => void)[] = [];

  constructor(onCall?: (call: RawCall) => void) {
    this.server = createServer((req, res) => {
      const pieces: Buffer[] = [];
      req.on('data', (piece: Buffer) => pieces.push(piece));
      req.on('end', () => {
        const call = { req, res, body: Buffer.concat(pieces).toString() };
        this.calls.push(call);
        onCall?.(call);
        for (const resolve of this.waiting.splice(0)) resolve(call);
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** The next call to come. */
  next(): Promise<RawCall> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}
