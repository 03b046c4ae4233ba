/** Where a command writes: data to stdout, talk to stderr, questions only to a person at a terminal. */
import Table from 'cli-table3';
import { CommandError, EXIT } from './outcome.ts';

export interface Terminal {
  /** Data: what a pipe or a script wants. A line break is added. */
  data(text: string): void;
  /** Talk for a person. A line break is added. */
  say(text: string): void;
  /** Somebody can be asked. */
  readonly interactive: boolean;
  /** Colours and bold are welcome on stdout. */
  readonly styled: boolean;
}

/** The process's own streams. */
export function processTerminal(variables: Readonly<Record<string, string | undefined>> = process.env): Terminal {
  // A reader such as `head` may leave early; that is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    data: (text) => void process.stdout.write(`${text}\n`),
    say: (text) => void process.stderr.write(`${text}\n`),
    interactive: isTerminal(process.stdin) && isTerminal(process.stderr) && !isSet(variables.CI),
    styled: isTerminal(process.stdout) && !isSet(variables.NO_COLOR) && variables.TERM !== 'dumb',
  };
}

/** `isTTY` is absent on anything but a terminal. */
export function isTerminal(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

/** One JSON document; bigint amounts must be texts already. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.data(JSON.stringify(value, undefined, 2));
}

/** A table without lines: easy to read, and to cut with other tools. */
export function printTable(terminal: Terminal, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const bold = (text: string): string => (terminal.styled ? `\u001b[1m${text}\u001b[22m` : text);
  const table = new Table({
    head: head.map(bold),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: NO_LINES,
  });
  table.push(...rows.map((row) => row.map((cell) => cell)));
  terminal.data(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  );
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/** How far a command may ask. */
export interface AskOptions {
  readonly yes?: boolean;
  /** commander turns `--no-input` into `input: false`. */
  readonly input?: boolean;
}

/**
 * Asks before something that is hard to undo. `--yes` is the answer; without a terminal there is nobody to ask.
 * @throws CommandError when the answer is no, or nobody can give one
 */
export async function confirm(terminal: Terminal, question: string, options: AskOptions): Promise<void> {
  if (options.yes === true) return;
  if (options.input === false || !terminal.interactive) {
    throw new CommandError(`this needs a yes: ${question}`, 'Add --yes to say so.', EXIT.usage);
  }
  const { confirm: ask, isCancel } = await import('@clack/prompts');
  const answer = await ask({ message: question, initialValue: false, output: process.stderr });
  if (isCancel(answer) || !answer) throw new CommandError('nothing was changed');
}
