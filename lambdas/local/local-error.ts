/** What goes wrong with a local stage and can be put right by whoever started it: what, where, and what to do. */

export class LocalError extends Error {
  readonly code = 'local_stage';
  /** What to do about it. */
  readonly advice: string;

  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalError';
    this.advice = advice;
  }
}

/** Whether an error carries this code of the operating system, such as `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
