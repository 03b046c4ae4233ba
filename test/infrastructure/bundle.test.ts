import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bundle, type BundledFile, bundleHandler } from '../../lib/bundle.ts';

const KB = 1000;

function bytesOf(files: readonly BundledFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Names of the packages in files. */
function packagesIn(files: readonly BundledFile[]): string[] {
  const sources = files.flatMap(({ sources: all }) => all);
  return [...new Set(sources.flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []))];
}

describe.each([
  { handler: 'lambdas/gateway/handler.ts', mostBytes: 600 * KB, later: ['ssm', 'sns', 'secrets', 'providers'] },
  { handler: 'lambdas/keeper/handler.ts', mostBytes: 400 * KB, later: ['ssm', 'sns'] },
])('the bundle of $handler', ({ handler, mostBytes, later }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bundle-'));
  let bundle: Bundle;
  beforeAll(() => {
    bundle = bundleHandler(handler, folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is small where every start reads it', () => {
    expect(bundle.eager[0]?.path).toBe('index.mjs');
    const bytes = bytesOf(bundle.eager);
    // Nothing that is counted here can be empty: the ledger and its database client alone are more than this.
    expect(bytes).toBeGreaterThan(200 * KB);
    expect(bytes).toBeLessThanOrEqual(mostBytes);
  });

  test('reads what alerts, policy refreshes, secrets and providers need when they need it', () => {
    const eager = packagesIn(bundle.eager);
    expect(eager).toContain('@aws-sdk/client-dynamodb');
    for (const name of [
      '@aws-sdk/client-sns',
      '@aws-sdk/client-ssm',
      '@aws-sdk/client-secrets-manager',
      '@aws-sdk/nested-clients',
      '@aws-sdk/credential-provider-ini',
      'undici',
    ]) {
      expect(eager).not.toContain(name);
    }
    // A policy without signed requests reads no signer and no frames: each is a chunk that only an `import()` leads to.
    expect(bundle.eager.flatMap(({ sources }) => sources).filter((source) => source.includes('adapters/providers/'))).toEqual([]);
    const chunks = bundle.later.flatMap(({ sources }) => sources);
    for (const room of later) expect(chunks.some((source) => source.startsWith(`lambdas/adapters/${room}/`))).toBe(true);
  });

  test('holds nothing that only the operator needs', () => {
    const packages = packagesIn([...bundle.eager, ...bundle.later]);
    for (const name of ['yaml', 'zod', '@pydantic/genai-prices', '@clack/prompts', 'commander', 'cli-table3', 'aws-cdk-lib']) {
      expect(packages).not.toContain(name);
    }
  });
});

test('an import that stands at the top of a file counts as read at the start, one that is called does not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bundle-'));
  try {
    const text = (line: string) => ({ text: `${line}\nexport const handler = async () => publish;`, folder: 'lambdas' });
    const client = "'./adapters/sns/client.ts'";
    const atTheTop = bundleHandler(text(`import * as publish from ${client};`), folder);
    const called = bundleHandler(text(`const publish = () => import(${client});`), folder);
    expect(packagesIn(atTheTop.eager)).toContain('@aws-sdk/client-sns');
    expect(packagesIn(called.eager)).not.toContain('@aws-sdk/client-sns');
    expect(bytesOf(atTheTop.eager) - bytesOf(called.eager)).toBeGreaterThan(100 * KB);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a provider's client reads the signer and the frames of Bedrock only when a policy has them", () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bundle-'));
  try {
    const text = "import { HttpProvider } from './adapters/providers/http-provider.ts';\nexport const handler = HttpProvider;";
    const bundle = bundleHandler({ text, folder: 'lambdas' }, folder);
    const sources = (files: readonly BundledFile[]) => files.flatMap((file) => file.sources);
    for (const name of ['aws-signer.ts', 'event-stream-body.ts']) {
      expect(sources(bundle.eager)).not.toContain(`lambdas/adapters/providers/${name}`);
      expect(sources(bundle.later)).toContain(`lambdas/adapters/providers/${name}`);
    }
    expect(packagesIn(bundle.eager)).not.toContain('@aws-sdk/credential-provider-node');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
