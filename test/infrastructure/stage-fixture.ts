/** A stage's stack for template tests: a small policy of our own, nothing bundled, no environment. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { parseUsd } from '../../lambdas/domain/money.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { DEVELOPMENT, PRODUCTION, StageStack, type StageStackProps } from '../../lib/stage-stack.ts';

const THRESHOLDS = [
  { percent: 50, action: 'notify' },
  { percent: 100, action: 'block' },
] as const;

/** A policy with a wallet, a group, a provider and both alert channels, all named after its stage. */
export function policyOf(stage: string, changes: Partial<Policy> = {}): Policy {
  return {
    stage,
    purpose: stage === 'prod' ? 'service' : 'learning',
    timezone: 'UTC',
    owner: `owner-${stage}@example.com`,
    costTracking: {
      enabled: true,
      walletEnforcement: true,
      unpricedModel: 'reject',
      unknownOutcome: 'charge',
      budgetAlerts: THRESHOLDS,
    },
    alerts: {
      severity: 'informational',
      email: [`alerts-${stage}@example.com`],
      slack: { workspaceId: 'T0123456', channelId: 'C0123456' },
    },
    wallets: [{ teamId: `team_${stage}`, planNanoUsdPerMonth: parseUsd('100.00'), thresholds: THRESHOLDS }],
    consumerGroups: [
      {
        name: stage,
        walletTeamId: `team_${stage}`,
        funding: [],
        models: ['economy'],
        maxOutputTokens: 512,
        budgets: [{ name: 'day', window: 'day', limitNanoUsd: parseUsd('5.00'), thresholds: THRESHOLDS }],
      },
    ],
    providers: [
      {
        name: 'openai',
        protocol: 'openai',
        apis: ['chat_completions'],
        baseUrl: 'https://api.openai.com/v1',
        credential: { kind: 'secret', name: 'openai' },
        timeoutMs: { connect: 3000, firstByte: 30_000, idle: 60_000, total: 600_000 },
        outputCapField: 'max_completion_tokens',
        budgets: [],
      },
    ],
    routes: [
      {
        model: 'economy',
        aliases: [],
        strategy: 'ordered',
        targets: [{ provider: 'openai', model: 'gpt-5-mini', weight: 1 }],
        fallback: { on: [], attempts: 1 },
        noFallbackReason: 'a test has one provider',
      },
    ],
    prices: [],
    ...changes,
  };
}

/** Parameters as `toParameters` names them. */
export function parametersOf(stage: string): { name: string; value: string }[] {
  const prefix = `/tollgate/${stage}/policy`;
  return [
    { name: `${prefix}/routes/economy`, value: '{"model":"economy"}' },
    { name: `${prefix}/groups/${stage}`, value: `{"name":"${stage}"}` },
    { name: `${prefix}/index`, value: '{}' },
  ];
}

/** The feature flags that the command line reads from cdk.json. */
function flags(): Record<string, unknown> {
  const read: unknown = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8'));
  const context = typeof read === 'object' && read !== null && 'context' in read ? read.context : undefined;
  return typeof context === 'object' && context !== null ? { ...context } : {};
}

const assemblies: string[] = [];
afterAll(() => {
  for (const folder of assemblies.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder for an app's assembly, which goes with the test file: CDK's own would stay in the system's. */
function newAssembly(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-assembly-'));
  assemblies.push(folder);
  return folder;
}

/** The stack as `bin/app.ts` would make it, its functions not bundled. */
export function stackOf(stage: 'dev' | 'prod', changes: Partial<StageStackProps> = {}): StageStack {
  const app = new App({ outdir: newAssembly(), context: { ...flags(), 'aws:cdk:bundling-stacks': [] } });
  return new StageStack(app, stage === 'prod' ? 'ProdStack' : 'DevStack', {
    ...(stage === 'prod' ? PRODUCTION : DEVELOPMENT),
    policy: policyOf(stage),
    parameters: parametersOf(stage),
    ...changes,
  });
}

/** Its template. */
export function templateOf(stage: 'dev' | 'prod', changes: Partial<StageStackProps> = {}): Template {
  return Template.fromStack(stackOf(stage, changes));
}
