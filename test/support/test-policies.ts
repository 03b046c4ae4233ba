/**
 * Policies whose sums a person can do: input is free and an output token costs ten cents, so a tenth of the cap of a request
 * is its bound in dollars.
 */

export interface TestGroup {
  readonly name: string;
  readonly wallet: string;
  readonly funding?: readonly string[];
  /** Lines of YAML flow mappings. */
  readonly budgets?: readonly string[];
  readonly providerBudgets?: readonly string[];
  /** Further lines of the group. */
  readonly more?: readonly string[];
}

export interface TestPolicy {
  readonly stage: 'dev' | 'prod';
  readonly baseUrl: string;
  /** Demo money by wallet, dollars. */
  readonly wallets: Readonly<Record<string, string>>;
  /** Every group has a route, a provider and an upstream model of its own, all of its name. */
  readonly groups: readonly TestGroup[];
}

/** The YAML of a stage. It is a learning stage, so that no rule of services stands in a test's way. */
export function testPolicy({ stage, baseUrl, wallets, groups }: TestPolicy): string {
  return `stage: ${stage}
purpose: learning
cost_tracking:
  budget_alerts:
    - { threshold_percent: 50, action: notify }
    - { threshold_percent: 90, action: notify }
    - { threshold_percent: 100, action: block }
wallets:
${Object.entries(wallets)
  .map(([team, usd]) => `  - { team_id: ${team}, plan_usd_per_month: "${usd}" }`)
  .join('\n')}
consumer_groups:
${groups.map(group).join('\n')}
providers:
${groups.map((one) => provider(one, baseUrl)).join('\n')}
routes:
${groups.map(({ name }) => `  - { model: ${name}, strategy: ordered, targets: [{ provider: ${name}, model: ${name} }], no_fallback_reason: a test has one target }`).join('\n')}
prices:
${groups.map(({ name }) => `  - { provider: ${name}, model: ${name}, from: 2020-01-01, input_usd_per_million: "0", cached_input_usd_per_million: "0", output_usd_per_million: "100000" }`).join('\n')}
`;
}

function group({ name, wallet, funding = [], budgets = [], more = [] }: TestGroup): string {
  return [
    `  - name: ${name}`,
    `    wallet_team_id: ${wallet}`,
    ...(funding.length === 0 ? [] : [`    funding: [${funding.join(', ')}]`]),
    `    models: [${name}]`,
    '    max_output_tokens: 100000',
    ...(budgets.length === 0 ? [] : ['    budgets:', ...budgets.map((budget) => `      - ${budget}`)]),
    ...more.map((line) => `    ${line}`),
  ].join('\n');
}

function provider({ name, providerBudgets = [] }: TestGroup, baseUrl: string): string {
  return [
    `  - name: ${name}`,
    `    base_url: ${baseUrl}`,
    '    credential: none',
    '    timeout: { connect: 3s, first_byte: 30s, idle: 30s, total: 60s }',
    '    output_cap_field: max_tokens',
    ...(providerBudgets.length === 0 ? [] : ['    budgets:', ...providerBudgets.map((budget) => `      - ${budget}`)]),
  ].join('\n');
}
