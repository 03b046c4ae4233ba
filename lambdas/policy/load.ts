/** Reads a stage's file: YAML, form, words not enforced, meaning, rules of the stage, prices; then the domain's policy. */
import type { Policy } from '../domain/policy.ts';
import { checkStageRules, purposeOf } from './checks-stage.ts';
import { checkMeaning } from './checks.ts';
import { compilePolicy } from './compile.ts';
import { PolicyDocument } from './document.ts';
import { explainIssues } from './explain.ts';
import { Findings, byLine } from './findings.ts';
import { findNotEnforced } from './not-enforced.ts';
import { priceList } from './price-list.ts';
import { PolicyError, type PolicyProblem } from './problems.ts';
import { type PolicyFile, policySchema } from './schema.ts';

export interface LoadOptions {
  /** What problems call the file. */
  readonly file: string;
  /** true: a stage on AWS, which refuses loopback providers, `credential: none` and plaintext keys. */
  readonly deployed: boolean;
  /** When the policy is to hold, epoch ms: which of the dated prices is in force. */
  readonly atEpochMs: number;
  /** The stage that the file is meant for; another one is an error. */
  readonly stage?: string;
}

export interface LoadedPolicy {
  readonly policy: Policy;
  readonly warnings: readonly PolicyProblem[];
}

/**
 * Reads and checks a stage's file.
 * @throws PolicyError with every problem found, each with file, line and column
 */
export function loadPolicy(text: string, options: LoadOptions): LoadedPolicy {
  const document = PolicyDocument.parse(text, options.file);
  const notEnforced = findNotEnforced(document.data).map((use) => document.problem(use.path, use.message, use.suggestion));
  const parsed = policySchema.safeParse(document.data);
  if (!parsed.success) {
    throw new PolicyError(byLine([...explainIssues(document, policySchema, parsed.error.issues), ...notEnforced]));
  }
  const findings = new Findings(document);
  if (options.stage !== undefined && parsed.data.stage !== options.stage) {
    findings.error(
      ['stage'],
      `this is the policy of stage ${parsed.data.stage}, not of ${options.stage}`,
      'a stage has its own file',
    );
  }
  checkMeaning(parsed.data, options.deployed, findings);
  checkStageRules(parsed.data, findings);
  const prices = priceList(
    parsed.data,
    {
      service: purposeOf(parsed.data) === 'service',
      unpricedModel: parsed.data.cost_tracking?.unpriced_model ?? 'reject',
      atEpochMs: options.atEpochMs,
    },
    findings,
  );
  const errors = [...findings.errors, ...notEnforced];
  if (errors.length > 0) throw new PolicyError(byLine(errors));
  return { policy: compilePolicy(parsed.data, prices), warnings: byLine(findings.warnings) };
}

/**
 * Reads a file by its form only: no references, no rules of stages, nothing about what this version enforces.
 * @throws PolicyError when the form is wrong
 */
export function parsePolicyFile(text: string, file: string): PolicyFile {
  const document = PolicyDocument.parse(text, file);
  const parsed = policySchema.safeParse(document.data);
  if (!parsed.success) throw new PolicyError(explainIssues(document, policySchema, parsed.error.issues));
  return parsed.data;
}
