/** How a command ends: its exit code, and an error that says what was wrong and what to do. */

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  credentials: 3,
  policy: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error for the person at the terminal; its message is all that is shown. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  /** What to do about it. */
  readonly advice?: string;

  constructor(message: string, advice?: string, exitCode: ExitCode = EXIT.error, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.advice = advice;
  }
}

/** The command was written wrongly. */
export function usageError(message: string, advice?: string): CommandError {
  return new CommandError(message, advice, EXIT.usage);
}
