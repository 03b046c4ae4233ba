/** The policy of the benchmark: a service stage as the shipped one, with limits that no run reaches. */

/** The YAML of a stage before one provider. */
export function benchPolicy(stage: string, providerUrl: string): string {
  return `stage: ${stage}
purpose: service
timezone: Europe/Berlin
owner: owner@example.com
cost_tracking:
  enabled: true
  wallet_enforcement: true
  unpriced_model: reject
  unknown_outcome: charge
  budget_alerts:
    - { threshold_percent: 50, action: notify }
    - { threshold_percent: 75, action: notify }
    - { threshold_percent: 90, action: notify }
    - { threshold_percent: 100, action: block }
alerts:
  severity: actionable
  owner: owner@example.com
  runbook: https://runbooks.example.com/spend
  channels: { email: [owner@example.com] }
wallets:
  - { team_id: team, plan_usd_per_month: "1000000.00" }
consumer_groups:
  - name: apps
    wallet_team_id: team
    models: [economy]
    max_output_tokens: 1024
    budgets:
      - { name: month, window: month, limit_usd: "1000000.00" }
      - { name: day-guard, window: day, limit_usd: "1000000.00" }
providers:
  - name: mock
    protocol: openai
    base_url: ${providerUrl}
    credential: { secret: bench }
    timeout: { connect: 3s, first_byte: 30s, idle: 30s, total: 2m }
    output_cap_field: max_completion_tokens
    budgets: [{ name: month, window: month, limit_usd: "1000000.00" }]
routes:
  - model: economy
    strategy: ordered
    targets: [{ provider: mock, model: small }]
    no_fallback_reason: a benchmark has one provider
prices:
  - { provider: mock, model: small, from: 2020-01-01, input_usd_per_million: "0.25", cached_input_usd_per_million: "0.025", output_usd_per_million: "2.00" }
`;
}
