/**
 * What a cold start costs: init time of both bundled handlers in fresh processes, beside that of an empty handler with one DynamoDB client.
 * Measured is the import of the bundle, without Node's own start. Run with `node bench/cold-start.ts`, on a machine that does nothing else.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { loadPolicy } from '../lambdas/policy/load.ts';
import { toParameters } from '../lambdas/policy/parameters.ts';
import { type Bundle, type BundledFile, bundleHandler } from '../lib/bundle.ts';
import { AwsResponder, wireError } from '../test/integration/aws/aws-responder.ts';

const ROOT = join(import.meta.dirname, '..');
/** Fresh processes of each kind, taken in turns, so that a busy moment of the machine meets all of them. */
const RUNS = 21;

const EMPTY = `import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
const client = new DynamoDBClient({});
export const handler = async () => client;`;
/** The least that any gateway would do before its first request: one read, which opens the connection. */
const EMPTY_WITH_A_READ = `import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
const client = new DynamoDBClient({});
await client.send(new GetItemCommand({ TableName: 'table', Key: { pk: { S: 'none' } } }));
export const handler = async () => client;`;

interface Kind {
  readonly name: string;
  readonly file: string;
  /** Read at every start, bytes. */
  readonly eagerBytes: number;
  readonly tookMs: number[];
}

/** Measures and gives the section of docs/performance.md. @throws when a process does not load its handler */
export async function coldStart(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-cold-start-'));
  const responder = new AwsResponder();
  try {
    const kinds = bundleAll(folder);
    await responder.start();
    answerAsAws(responder);
    const environment = environmentOf(responder.endpoint);
    for (let run = 0; run < RUNS; run += 1) {
      for (const kind of kinds) kind.tookMs.push(await initMs(kind.file, environment));
    }
    return section(kinds);
  } finally {
    await responder.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function bundleAll(folder: string): readonly Kind[] {
  const kind = (name: string, { eager }: Bundle, place: string): Kind => ({
    name,
    file: join(folder, place, 'index.mjs'),
    eagerBytes: bytesOf(eager),
    tookMs: [],
  });
  const bundled = (name: string, text: string, place: string, from: string): Kind =>
    kind(name, bundleHandler({ text, folder: from }, join(folder, place)), place);
  const gateway = readFileSync(join(ROOT, 'lambdas/gateway/handler.ts'), 'utf8');
  const keeper = readFileSync(join(ROOT, 'lambdas/keeper/handler.ts'), 'utf8');
  const withoutWarmUp = gateway.replace('await wired.warmUp();\n', '');
  if (withoutWarmUp === gateway) throw new Error('the gateway warms up in another way now: this benchmark must follow');
  return [
    bundled('empty handler, one DynamoDB client', EMPTY, 'empty', '.'),
    ordinary(folder),
    bundled('keeper', keeper, 'keeper', 'lambdas/keeper'),
    bundled('gateway, without warm-up', withoutWarmUp, 'gateway-cold', 'lambdas/gateway'),
    bundled('empty handler after one read on loopback', EMPTY_WITH_A_READ, 'read', '.'),
    bundled('gateway, ready: policy, credentials, connections', gateway, 'gateway', 'lambdas/gateway'),
  ];
}

/** As CDK's NodejsFunction bundles with the SDK inside and `minify`: one file, CommonJS builds of packages. */
function ordinary(folder: string): Kind {
  const file = join(folder, 'ordinary', 'index.mjs');
  buildSync({
    stdin: { contents: EMPTY, loader: 'ts', resolveDir: ROOT, sourcefile: 'handler.ts' },
    outfile: file,
    bundle: true,
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  return { name: 'the same, bundled into one file with CDK’s defaults', file, eagerBytes: statSync(file).size, tookMs: [] };
}

function bytesOf(files: readonly BundledFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** SSM with the shipped policy of prod, Secrets Manager, and a table without the key that the warm-up looks for. */
function answerAsAws(responder: AwsResponder): void {
  const text = readFileSync(join(ROOT, 'policy', 'prod.yaml'), 'utf8');
  const { policy } = loadPolicy(text, { file: 'prod.yaml', deployed: true, atEpochMs: Date.now(), stage: 'prod' });
  const parameters = toParameters(policy).map(({ name, value }) => ({ Name: name, Value: value }));
  responder.respond = ({ action, input }) => {
    switch (action) {
      case 'GetParametersByPath': {
        const from = Number(input.NextToken ?? 0);
        const next = from + 10 < parameters.length ? { NextToken: String(from + 10) } : {};
        return { body: { Parameters: parameters.slice(from, from + 10), ...next } };
      }
      case 'GetSecretValue':
        return { body: { SecretString: 'not-a-real-key' } };
      case 'GetItem':
        return { body: {} };
      default:
        return wireError('UnexpectedCall');
    }
  };
}

function environmentOf(endpoint: string): Readonly<Record<string, string>> {
  return {
    // As the stack sets it.
    NODE_OPTIONS: '--enable-source-maps',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL: endpoint,
    TOLLGATE_STAGE: 'prod',
    TOLLGATE_TABLE: 'table',
    TOLLGATE_ALERT_TOPIC_ARN: 'arn:aws:sns:eu-central-1:123456789012:alerts',
    TOLLGATE_PARAMETER_PREFIX: '/tollgate/prod/policy',
    TOLLGATE_SECRET_PREFIX: 'tollgate/prod/',
  };
}

async function initMs(file: string, environment: Readonly<Record<string, string>>): Promise<number> {
  const runner = join(import.meta.dirname, 'cold-start-process.mjs');
  const child = spawn(process.execPath, [runner, pathToFileURL(file).href], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let out = '';
  let complaints = '';
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString('utf8')));
  child.stderr.on('data', (piece: Buffer) => (complaints += piece.toString('utf8')));
  await new Promise((resolve) => child.once('close', resolve));
  // What the function logs stands before the figure; a warm-up that failed would log.
  const tookMs = Number(out.trim() === '' ? Number.NaN : out);
  if (!Number.isFinite(tookMs)) throw new Error(`${file} did not load: ${complaints || out}`);
  return tookMs;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Of processes that ran in the same turn, so that what slows the machine for a while slows both. */
function ratio(tookMs: readonly number[], comparedMs: readonly number[]): number {
  return median(tookMs.map((ms, run) => ms / (comparedMs[run] ?? Number.NaN)));
}

function section(kinds: readonly Kind[]): string {
  const [empty, oneFile] = kinds;
  if (empty === undefined || oneFile === undefined) throw new Error('nothing was measured');
  const rows = kinds.map(({ name, eagerBytes, tookMs }) => {
    const sorted = tookMs.toSorted((a, b) => a - b);
    const cells = [
      name,
      `${Math.round(eagerBytes / 1000)} KB`,
      median(tookMs).toFixed(0),
      `${sorted[0]?.toFixed(0)}–${sorted.at(-1)?.toFixed(0)}`,
      ratio(tookMs, oneFile.tookMs).toFixed(2),
      ratio(tookMs, empty.tookMs).toFixed(2),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '## Cold start',
    '',
    `Init time of the bundled handlers in fresh processes of Node ${process.versions.node} (${process.platform} ${process.arch}),`,
    `${RUNS} of each in turns, ${new Date().toISOString().slice(0, 10)}. Measured is the import of the bundle with source maps on, as the`,
    'stack runs it; Node’s own start is in none of the figures, and AWS is a server on loopback.',
    '',
    '| | read at every start | median ms | least–most ms | ÷ one file | ÷ same bundler |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    '“÷ one file” compares with an empty handler as CDK’s NodejsFunction bundles it by default, “÷ same bundler” with one',
    'that has all that our bundling gains; each is the median of the turns’ ratios. The warm-up loads the clients of SSM and',
    'Secrets Manager and the providers’ pool while its first calls are under way; the keeper has none and loads SSM’s client',
    'in its first pass.',
  ].join('\n');
}

if (import.meta.main) console.log(await coldStart());
