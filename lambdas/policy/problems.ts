/** What is wrong with a policy file: where, why, and what to write instead. */

/** One finding in a policy file. Lines and columns count from 1. */
export interface PolicyProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Where in the document: `consumer_groups[0].budgets[2].limit_usd`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  /** What to do about it. */
  readonly suggestion?: string;
}

/** A policy that may not be used, with everything that is wrong with it. */
export class PolicyError extends Error {
  readonly code = 'policy_invalid';
  readonly problems: readonly PolicyProblem[];

  constructor(problems: readonly PolicyProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'PolicyError';
    this.problems = problems;
  }
}

/** A problem in one line: `policy/dev.yaml:12:5 routes[0].strategy: … (…)`. */
export function formatProblem(problem: PolicyProblem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const path = problem.path === '' ? '' : ` ${problem.path}:`;
  const suggestion = problem.suggestion === undefined ? '' : ` (${problem.suggestion})`;
  return `${where}${path} ${problem.message}${suggestion}`;
}

/** A step into a document: a key of a mapping or a place in a list. */
export type PathStep = string | number;

/** Writes a path as people read it: `routes[0].targets[1].model`. */
export function formatPath(path: readonly PathStep[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/** The known word that a mistyped one most likely means; undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.toLowerCase().slice(0, 64);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = isPartOf(wanted, candidate) ? 1.5 : editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return bestDistance <= Math.max(2, Math.floor(wanted.length / 2.5)) ? best : undefined;
}

/** `wallet_team` is near `wallet_team_id`, and `limit` near `limit_usd`, however many letters are missing. */
function isPartOf(word: string, candidate: string): boolean {
  return word.length >= 3 && (candidate.startsWith(`${word}_`) || candidate.endsWith(`_${word}`));
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substituted, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
