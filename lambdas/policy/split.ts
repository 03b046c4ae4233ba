/**
 * Makes stage files of one file that holds the groups of several stages. Dev is complete and can be started; prod states
 * what is known and leaves empty, marked FILL IN, what only its owners can say, so that the check lists exactly that.
 */
import { stringify } from 'yaml';
import { DEFAULT_THRESHOLDS } from './checks-stage.ts';
import { PolicyDocument } from './document.ts';
import { explainIssues } from './explain.ts';
import { PolicyError, type PolicyProblem } from './problems.ts';
import { type PolicyFragment, fragmentSchema } from './schema.ts';

type FragmentGroup = PolicyFragment['consumer_groups'][number];

/** One stage file made of a fragment. */
export interface StageFile {
  readonly stage: 'dev' | 'prod';
  /** The YAML text, for `policy/<stage>.yaml`. */
  readonly text: string;
}

export interface SplitResult {
  /** A file for each stage that the fragment has a group of, dev first. */
  readonly stages: readonly StageFile[];
  /** What a reader of the new files should know. */
  readonly warnings: readonly PolicyProblem[];
}

/**
 * Splits a fragment into stage files.
 * @param file what errors call it
 * @throws PolicyError when the text is no such fragment, or a group's name does not say its stage
 */
export function splitFragment(text: string, file: string): SplitResult {
  const document = PolicyDocument.parse(text, file);
  const data = document.data;
  if (typeof data === 'object' && data !== null && Object.hasOwn(data, 'stage')) {
    const advice = 'check it with npx tollgate policy check';
    throw new PolicyError([document.problem(['stage'], 'this is the file of one stage already: nothing to split', advice)]);
  }
  const parsed = fragmentSchema.safeParse(data);
  if (!parsed.success) throw new PolicyError(explainIssues(document, fragmentSchema, parsed.error.issues));
  const { consumer_groups: groups, cost_tracking: costTracking } = parsed.data;
  const problems = groups.flatMap((group, index) => {
    const path = ['consumer_groups', index, 'name'];
    if (groups.findIndex((other) => other.name === group.name) !== index) {
      return [document.problem(path, `consumer group '${group.name}' stands twice`, 'rename one of them')];
    }
    if (stageOf(group) !== undefined) return [];
    return [document.problem(path, `group '${group.name}' does not say its stage`, 'name it dev, prod, dev-… or prod-…')];
  });
  if (problems.length > 0) throw new PolicyError(problems);
  const of = (stage: 'dev' | 'prod') => groups.filter((group) => stageOf(group) === stage);
  const stages = (['dev', 'prod'] as const).flatMap((stage) =>
    of(stage).length === 0
      ? []
      : [{ stage, text: stage === 'dev' ? devFile(of(stage), costTracking) : prodFile(of(stage), costTracking) }],
  );
  const warnings = of('prod').flatMap((group) => {
    if (!of('dev').some((other) => other.wallet_team_id === group.wallet_team_id)) return [];
    const path = ['consumer_groups', groups.indexOf(group), 'wallet_team_id'];
    const message = `'${group.wallet_team_id}' pays for dev and prod here; stages share nothing, so each gets a wallet of this name`;
    return [document.problem(path, message, 'give prod a wallet of its own name')];
  });
  return { stages, warnings };
}

function stageOf(group: FragmentGroup): 'dev' | 'prod' | undefined {
  const word = group.name.toLowerCase().split(/[-_.]/)[0] ?? '';
  if (word === 'dev' || word === 'development') return 'dev';
  return word === 'prod' || word === 'production' ? 'prod' : undefined;
}

function devFile(groups: readonly FragmentGroup[], costs: PolicyFragment['cost_tracking']): string {
  return `# yaml-language-server: $schema=policy.schema.json
#
# The dev stage. Groups, wallets and cost rules come from the file that was split; amounts, providers and routes are
# starting values: make them yours, then run npx tollgate policy check.

stage: dev
purpose: learning
timezone: UTC # days and months begin at midnight here

${costTrackingText(costs)}
alerts:
  severity: informational

wallets:
${walletIds(groups)
  .map((id) => `  - { team_id: ${scalar(id)}, plan_usd_per_month: "100.00" } # a starting value`)
  .join('\n')}

consumer_groups:
${groups
  .map(
    (group) => `${groupText(group, 'dev')}
    models: [economy, frontier] # the routes it may call
    max_output_tokens: 1024
    budgets: # starting values
      - { name: day, window: day, limit_usd: "5.00" }
      - { name: month, window: month, limit_usd: "100.00" }`,
  )
  .join('\n')}

${providersText('')}
default_route: economy # what a request for an unknown model name gets
${ROUTES}`;
}

function prodFile(groups: readonly FragmentGroup[], costs: PolicyFragment['cost_tracking']): string {
  return `# yaml-language-server: $schema=policy.schema.json
#
# The prod stage. Groups, wallets and cost rules come from the file that was split. What only the people who answer for
# production can say is empty and marked FILL IN; npx tollgate policy check lists what is still to be filled in.

stage: prod
purpose: service
timezone: UTC # days and months begin at midnight here
owner: # FILL IN: who answers for this stage, such as ai-platform@example.com

${costTrackingText(costs)}
alerts:
  severity: actionable
  runbook: # FILL IN: what to do when an alert comes, such as https://runbooks.example.com/spend

wallets: # FILL IN each plan: what the team may plan with by the month, such as "3000.00"
${walletIds(groups)
  .map((id) => `  - team_id: ${scalar(id)}\n    plan_usd_per_month: # FILL IN`)
  .join('\n')}

consumer_groups:
${groups
  .map(
    (group) => `${groupText(group, 'prod')}
    models: [economy, frontier] # only these are served
    max_output_tokens: 1024
    budgets:
      - name: month
        window: month
        limit_usd: # FILL IN: what this group may spend by the month, such as "3000.00"`,
  )
  .join('\n')}

${providersText(`    budgets: # a service stage bounds what each vendor may cost
      - name: month
        window: month
        limit_usd: # FILL IN: such as "1000.00"
`)}
# Only what is listed is served: no default_route, no aliases.
${ROUTES}`;
}

function walletIds(groups: readonly FragmentGroup[]): string[] {
  return [...new Set(groups.map((group) => group.wallet_team_id))];
}

function groupText(group: FragmentGroup, stage: string): string {
  const key =
    group.api_key === undefined
      ? ''
      : `
    # A plaintext key: a local stage accepts it with a warning, a deployed one refuses it. To move it into the key store,
    # run this, paste the key, and remove the line:
    #   npx tollgate keys create --stage ${stage} --group ${group.name} --import
    api_key: ${scalar(group.api_key)}`;
  return `  - name: ${scalar(group.name)}${key}
    wallet_team_id: ${scalar(group.wallet_team_id)}`;
}

function costTrackingText(costs: PolicyFragment['cost_tracking']): string {
  const {
    enabled = true,
    wallet_enforcement: walletEnforcement = true,
    unpriced_model: unpricedModel = 'reject',
    unknown_outcome: unknownOutcome = 'charge',
    budget_alerts: thresholds = DEFAULT_THRESHOLDS,
  } = costs ?? {};
  const lines = thresholds.map(
    ({ threshold_percent: percent, action }) => `    - { threshold_percent: ${percent}, action: ${action} }\n`,
  );
  return `cost_tracking:
  enabled: ${enabled}
  wallet_enforcement: ${walletEnforcement}
  unpriced_model: ${unpricedModel} # a model without a price is refused, never guessed
  unknown_outcome: ${unknownOutcome} # a call that never reported back costs its upper bound
  budget_alerts:${lines.length === 0 ? ' []\n' : `\n${lines.join('')}`}`;
}

function providersText(budgets: string): string {
  return `providers: # starting values: the credentials are names in Secrets Manager, under this stage's prefix
  - name: openai
    base_url: https://api.openai.com/v1
    credential: { secret: openai }
    output_cap_field: max_completion_tokens
${budgets}  - name: mistral
    apis: [chat_completions, embeddings] # it has no Responses API
    base_url: https://api.mistral.ai/v1
    credential: { secret: mistral }
    output_cap_field: max_tokens
${budgets}`;
}

const ROUTES = `routes: # starting values
  - model: economy
    strategy: ordered
    targets:
      - { provider: openai, model: gpt-5-mini }
      - { provider: mistral, model: mistral-small-2603 }
    fallback: { on: [timeout, rate_limit, server_error, provider_budget], attempts: 2 }
  - model: frontier
    strategy: ordered
    targets:
      - { provider: openai, model: gpt-5.1 }
      - { provider: mistral, model: mistral-medium-3-5 }
    fallback: { on: [timeout, rate_limit, server_error, provider_budget], attempts: 2 }
`;

function scalar(text: string): string {
  return stringify(text, { lineWidth: 0 }).trimEnd();
}
