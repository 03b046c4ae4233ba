/** A provider of one protocol that says what a test scripts, in pieces of an odd size, and remembers what it was asked. */
import { RawProvider } from './raw-provider.ts';

export interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** As it came. */
  readonly text: string;
}

/** What it does with a call. */
export interface Script {
  readonly status?: number;
  /** A whole answer; a text is sent as it is. */
  readonly answer?: unknown;
  /** A stream's events: data, or the text `[DONE]`. */
  readonly events?: readonly unknown[];
  /** Cuts the connection after the events, instead of ending them. */
  readonly cut?: boolean;
}

/** So many bytes leave at once: no event's size is a multiple of it. */
const PIECE_BYTES = 13;

export class ScriptedProvider {
  readonly asked: Asked[] = [];
  /** For every call, or made for each of them. */
  script: Script | ((asked: Asked) => Script) = {};
  private readonly raw: RawProvider;
  baseUrl = '';

  constructor() {
    this.raw = new RawProvider(({ req, res, body }) => {
      const asked: Asked = { path: req.url ?? '', headers: req.headers, body: JSON.parse(body), text: body };
      this.asked.push(asked);
      const script = typeof this.script === 'function' ? this.script(asked) : this.script;
      const { status = 200, answer, events, cut = false } = script;
      if (events === undefined) {
        res.writeHead(status, { 'content-type': 'application/json' });
        res.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
        return;
      }
      res.writeHead(status, { 'content-type': 'text/event-stream' });
      const bytes = Buffer.from(events.map(asText).join(''));
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) res.write(bytes.subarray(at, at + PIECE_BYTES));
      if (cut) res.write('', () => res.destroy());
      else res.end();
    });
  }

  async start(): Promise<void> {
    this.baseUrl = await this.raw.start();
  }

  stop(): Promise<void> {
    return this.raw.stop();
  }
}

function asText(event: unknown): string {
  if (typeof event === 'string') return `data: ${event}\n\n`;
  const name = typeof event === 'object' && event !== null && 'type' in event ? `event: ${String(event.type)}\n` : '';
  return `${name}data: ${JSON.stringify(event)}\n\n`;
}
