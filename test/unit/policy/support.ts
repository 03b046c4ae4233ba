/** Small policies for tests: one valid text per purpose, and edits of it that must find what they replace. */
import { readFileSync } from 'node:fs';
import { type LoadedPolicy, PolicyError, type PolicyProblem, loadPolicy } from '../../../lambdas/policy/index.ts';

export const AT = Date.parse('2026-11-23T12:00:00Z');

/** A learning stage: the first line is line 1. */
export const LEARNING = `stage: dev
cost_tracking:
  budget_alerts:
    - { threshold_percent: 50, action: notify }
    - { threshold_percent: 100, action: block }
wallets:
  - { team_id: team_one, plan_usd_per_month: "100.00" }
  - { team_id: team_two, plan_usd_per_month: "50.00" }
consumer_groups:
  - name: apps
    wallet_team_id: team_one
    models: [economy, frontier]
    budgets:
      - { name: day, window: day, limit_usd: "20.00" }
providers:
  - name: openai
    base_url: https://api.openai.com/v1
    credential: { secret: openai }
  - name: mistral
    base_url: https://api.mistral.ai/v1
    credential: { secret: mistral }
routes:
  - model: economy
    aliases: [cheap]
    targets:
      - { provider: openai, model: gpt-5-mini }
      - { provider: mistral, model: mistral-small-2603 }
  - model: frontier
    targets: [{ provider: openai, model: gpt-5.1 }]
`;

/** A service stage that keeps every rule. */
export const SERVICE = `stage: prod
owner: platform@example.com
alerts: { severity: actionable, runbook: "https://runbooks.example.com/spend" }
wallets:
  - { team_id: team_prod, plan_usd_per_month: "100.00" }
consumer_groups:
  - name: apps
    wallet_team_id: team_prod
    models: [economy, frontier]
    budgets:
      - { name: month, window: month, limit_usd: "20.00" }
providers:
  - name: openai
    base_url: https://api.openai.com/v1
    credential: { secret: openai }
    budgets: [{ name: month, window: month, limit_usd: "90.00" }]
routes:
  - model: economy
    targets:
      - { provider: openai, model: gpt-5-mini }
      - { provider: openai, model: gpt-5-nano }
  - model: frontier
    targets: [{ provider: openai, model: gpt-5.1 }]
    no_fallback_reason: one vendor until the second contract is signed
`;

/** A text with a piece replaced; the piece must be there. */
export function edit(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`);
  return text.replace(from, () => to);
}

export function load(text: string, deployed = false): LoadedPolicy {
  return loadPolicy(text, { file: 'policy/test.yaml', deployed, atEpochMs: AT });
}

/** The problems of a text that must be refused. */
export function problemsOf(text: string, deployed = false): readonly PolicyProblem[] {
  try {
    load(text, deployed);
  } catch (error) {
    if (error instanceof PolicyError) return error.problems;
    throw error;
  }
  throw new Error('this policy was accepted');
}

/** The only problem of a text that must be refused for one reason. */
export function problemOf(text: string, deployed = false): PolicyProblem {
  const [problem, ...more] = problemsOf(text, deployed);
  if (problem === undefined || more.length > 0) throw new Error(`expected one problem, found ${more.length + 1}`);
  return problem;
}

export function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
}

export function shipped(name: string): string {
  return readFileSync(new URL(`../../../policy/${name}`, import.meta.url), 'utf8');
}
