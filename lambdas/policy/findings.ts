/** Collects what the checks find, each with its place in the file. */
import type { PolicyDocument } from './document.ts';
import type { PathStep, PolicyProblem } from './problems.ts';

/** Errors stop a policy, warnings only speak. */
export class Findings {
  readonly errors: PolicyProblem[] = [];
  readonly warnings: PolicyProblem[] = [];
  private readonly document: PolicyDocument;

  constructor(document: PolicyDocument) {
    this.document = document;
  }

  error(path: readonly PathStep[], message: string, suggestion?: string): void {
    this.errors.push(this.document.problem(path, message, suggestion));
  }

  warn(path: readonly PathStep[], message: string, suggestion?: string): void {
    this.warnings.push(this.document.problem(path, message, suggestion));
  }
}

/** Problems in the order of their lines. */
export function byLine(problems: readonly PolicyProblem[]): PolicyProblem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
