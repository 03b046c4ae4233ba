/** What a person reads once the local stages are ready: where to call, with which key, and who answers. */
import type { Database } from './embedded-database.ts';
import type { PlainKeys } from './key-ring.ts';
import type { ProviderPlay } from './simulation.ts';

export interface BannerStage {
  readonly stage: string;
  readonly baseUrl: string;
  /** Name of a model that each group may ask for, by group. */
  readonly models: Readonly<Record<string, string>>;
}

export interface BannerFacts {
  readonly home: string;
  readonly database: Pick<Database, 'kind' | 'endpoint'>;
  readonly stages: readonly BannerStage[];
  readonly keys: PlainKeys;
  readonly plays: readonly ProviderPlay[];
}

/** The address that OpenAI clients want; Anthropic's want the root. */
export function openAiBaseUrl(baseUrl: string): string {
  return `${baseUrl}/v1`;
}

export function banner({ home, database, stages, keys, plays }: BannerFacts): string {
  const lines = ['', 'Tollgate is ready.', ''];
  for (const { stage, baseUrl } of stages) {
    lines.push(`  ${stage}`);
    lines.push(`    OpenAI clients     ${openAiBaseUrl(baseUrl)}`);
    lines.push(`    Anthropic clients  ${baseUrl}`);
    for (const [group, key] of Object.entries(keys[stage] ?? {})) lines.push(`    key of ${group.padEnd(12)}${key}`);
    for (const play of plays.filter((one) => one.stage === stage)) {
      lines.push(`    provider ${play.provider.padEnd(10)}${playedBy(play)}`);
    }
    lines.push('');
  }
  const kept = database.kind === 'given' ? 'keys' : 'database and keys';
  lines.push(`  Home: ${home} (${kept}; a restart goes on from there)`);
  lines.push(`  Database: ${databaseText(database)}`);
  const simulated = plays.find((play) => play.simulatedAt !== undefined)?.simulatedAt;
  if (simulated !== undefined) {
    const control = new URL('/control', simulated).href;
    lines.push(`  Simulated providers cost nothing; change their latency and faults: curl ${control} -d '{"latencyMs":500}'`);
  }
  const example = exampleCall(stages, keys);
  if (example !== undefined) lines.push('', '  A first call:', '', example);
  lines.push('', '  Ctrl-C ends it; calls in flight are finished first.', '');
  return lines.join('\n');
}

function databaseText({ kind, endpoint }: BannerFacts['database']): string {
  switch (kind) {
    case 'given':
      return `the one at ${endpoint} (TOLLGATE_DYNAMODB_ENDPOINT)`;
    case 'dynoxide':
      return `dynoxide at ${endpoint}`;
    case 'dynamodb-local':
      return `Amazon's DynamoDB Local at ${endpoint}`;
    default:
      return kind satisfies never;
  }
}

function playedBy({ simulatedAt, reason }: ProviderPlay): string {
  return simulatedAt === undefined ? `real, ${reason}` : `SIMULATED at ${simulatedAt}: ${reason}`;
}

/** A call that works as pasted, in any POSIX shell. */
function exampleCall(stages: readonly BannerStage[], keys: PlainKeys): string | undefined {
  for (const { stage, baseUrl, models } of stages) {
    for (const [group, key] of Object.entries(keys[stage] ?? {})) {
      const model = models[group];
      if (model === undefined) continue;
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
      return [
        `curl ${openAiBaseUrl(baseUrl)}/chat/completions \\`,
        `  -H 'authorization: Bearer ${key}' \\`,
        "  -H 'content-type: application/json' \\",
        `  -d '${body.replaceAll("'", String.raw`'\''`)}'`,
      ].join('\n');
    }
  }
  return undefined;
}
