import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoHealthStore } from '../../lambdas/adapters/dynamodb/health-store.ts';
import { DynamoKeyStore } from '../../lambdas/adapters/dynamodb/key-store.ts';
import { DynamoLedgerStore } from '../../lambdas/adapters/dynamodb/ledger-store.ts';
import { systemRandom } from '../../lambdas/adapters/system/system.ts';
import { makeApiKey } from '../../lambdas/domain/api-keys.ts';
import { parseUsd } from '../../lambdas/domain/money.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { toParameters } from '../../lambdas/policy/parameters.ts';
import { AwsResponder, wireError } from '../integration/aws/aws-responder.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';
import { price } from '../support/gateway-fixture.ts';
import { type RawCall, RawProvider } from '../support/raw-provider.ts';
import { BundledFunction, restEvent } from './bundled-function.ts';
import { DynamoDbRecorder } from './dynamodb-recorder.ts';
import { statementsOf } from './iam.ts';
import { policyOf, templateOf } from './stage-fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SECRET = 'sk-test-not-a-real-key';
const PROMPT = 'a prompt that must reach no log';

/** No credentials, no region, no home, and every way out leads to a closed port. */
function offline(home: string): Record<string, string> {
  const nowhere = 'http://127.0.0.1:9';
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    HTTPS_PROXY: nowhere,
    HTTP_PROXY: nowhere,
    https_proxy: nowhere,
    http_proxy: nowhere,
  };
}

describe('the cloud assembly', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-synth-'));
  const out = join(folder, 'cdk.out');
  let synth: SpawnSyncReturns<string>;

  beforeAll(() => {
    const cli = join(ROOT, 'node_modules', 'aws-cdk', 'bin', 'cdk');
    synth = spawnSync(process.execPath, [cli, 'synth', '--quiet', '--output', out], {
      cwd: ROOT,
      env: offline(folder),
      encoding: 'utf8',
    });
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const template = (stack: string): string => readFileSync(join(out, `${stack}.template.json`), 'utf8');

  /** Folder of a function's code. */
  function assetOf(stack: string, path: string): string {
    const assets: { files: Record<string, { displayName: string; source: { path: string } }> } = JSON.parse(
      readFileSync(join(out, `${stack}.assets.json`), 'utf8'),
    );
    const found = Object.values(assets.files).find(({ displayName }) => displayName.startsWith(path));
    if (!found) throw new Error(`no asset ${path} in ${stack}`);
    return join(out, found.source.path);
  }

  test('is made by the command line without network, credentials, region or account', () => {
    expect({ status: synth.status, stderr: synth.status === 0 ? '' : synth.stderr }).toEqual({ status: 0, stderr: '' });
    expect(existsSync(join(out, 'DevStack.template.json'))).toBe(true);
    expect(existsSync(join(out, 'ProdStack.template.json'))).toBe(true);
  });

  test('of the shipped policies has nothing of one stage in the other', () => {
    expect(template('DevStack')).not.toMatch(/tollgate\/prod|tollgate-prod|team_prod|ProdStack/);
    expect(template('ProdStack')).not.toMatch(/tollgate\/dev|tollgate-dev|team_dev|DevStack/);
  });

  test('depends on no account or region and looks nothing up', () => {
    const manifest: { artifacts: Record<string, { environment?: string }>; missing?: unknown } = JSON.parse(
      readFileSync(join(out, 'manifest.json'), 'utf8'),
    );
    expect(manifest.missing).toBeUndefined();
    expect(manifest.artifacts.DevStack?.environment).toBe('aws://unknown-account/unknown-region');
  });

  test.each([
    ['Gateway/Code', 1280 * 1024],
    ['Keeper/Function/Code', 700 * 1024],
  ])('bundles %s small, and without what only the operator needs', (path, mostBytes) => {
    const asset = assetOf('DevStack', path);
    const files = readdirSync(asset, { recursive: true, encoding: 'utf8' });
    const code = files.filter((file) => file.endsWith('.mjs'));
    expect(code).toContain('index.mjs');
    expect(code.reduce((bytes, file) => bytes + statSync(join(asset, file)).size, 0)).toBeLessThan(mostBytes);
    const packages = new Set<string>();
    for (const file of code) {
      const map: { sources: string[] } = JSON.parse(readFileSync(join(asset, `${file}.map`), 'utf8'));
      for (const source of map.sources) {
        const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1];
        if (name !== undefined) packages.add(name);
      }
    }
    expect(packages).toContain('@aws-sdk/client-dynamodb');
    for (const name of ['yaml', 'zod', '@pydantic/genai-prices', '@clack/prompts', 'commander', 'cli-table3', 'aws-cdk-lib']) {
      expect(packages).not.toContain(name);
    }
  });

  test('gives each function its own code, the same in both stages', () => {
    const [gateway, keeper] = ['Gateway/Code', 'Keeper/Function/Code'].map((path) => assetOf('DevStack', path));
    expect(gateway).not.toBe(keeper);
    expect(['Gateway/Code', 'Keeper/Function/Code'].map((path) => assetOf('ProdStack', path))).toEqual([gateway, keeper]);
  });

  describe('its bundled functions, called as Lambda calls them', () => {
    const responder = new AwsResponder();
    const provider = new RawProvider();
    const key = makeApiKey('dev', (length) => systemRandom.id(length));
    let database: TestDatabase;
    let store: DynamoLedgerStore;
    let health: DynamoHealthStore;
    let environment: Record<string, string>;
    let gateway: BundledFunction;
    let gatewayRecorder: DynamoDbRecorder;
    let keeperRecorder: DynamoDbRecorder;

    beforeAll(async () => {
      await responder.start();
      database = await startTestDatabase();
      gatewayRecorder = new DynamoDbRecorder(database.endpoint);
      keeperRecorder = new DynamoDbRecorder(database.endpoint);
      const tableName = await database.newTable();
      const policy = livePolicy(await provider.start());
      responder.respond = ({ action, input }) => {
        if (action === 'GetParametersByPath' && input.Path === '/tollgate/dev/policy') {
          return { body: { Parameters: toParameters(policy).map(({ name, value }) => ({ Name: name, Value: value })) } };
        }
        if (action === 'GetSecretValue' && input.SecretId === 'tollgate/dev/openai') return { body: { SecretString: SECRET } };
        return action === 'Publish' ? { body: { MessageId: 'm' } } : wireError('UnexpectedCall');
      };
      const table = { client: database.client, tableName };
      store = new DynamoLedgerStore(table);
      health = new DynamoHealthStore(table);
      await store.topUp({ id: 'first', walletId: 'team_dev', amountNanoUsd: parseUsd('1.00'), atEpochMs: Date.now() });
      const sha256 = createHash('sha256').update(key).digest('hex');
      await new DynamoKeyStore(table).create({ id: sha256.slice(0, 12), sha256, group: 'dev', createdEpochMs: Date.now() });
      environment = {
        AWS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
        AWS_ENDPOINT_URL: responder.endpoint,
        AWS_ENDPOINT_URL_DYNAMODB: await gatewayRecorder.start(),
        TOLLGATE_STAGE: 'dev',
        TOLLGATE_TABLE: tableName,
        TOLLGATE_ALERT_TOPIC_ARN: 'arn:aws:sns:eu-central-1:123456789012:alerts',
        TOLLGATE_PARAMETER_PREFIX: '/tollgate/dev/policy',
        TOLLGATE_SECRET_PREFIX: 'tollgate/dev/',
      };
      gateway = new BundledFunction(join(assetOf('DevStack', 'Gateway/Code'), 'index.mjs'), environment);
      await gateway.ready();
    }, 60_000);

    afterAll(async () => {
      await gateway.stop();
      await provider.stop();
      await gatewayRecorder.stop();
      await keeperRecorder.stop();
      await database.stop();
      await responder.stop();
    });

    const chat = (more: object, headers: Readonly<Record<string, string>> = {}): object =>
      restEvent(
        'POST',
        '/v1/chat/completions',
        { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        { model: 'economy', messages: [{ role: 'user', content: PROMPT }], ...more },
      );

    /** What a wallet has spent: flushed, and still in lanes. */
    async function spentNanoUsd(): Promise<bigint> {
      const pots = await store.readPots(['wallet/team_dev#life'], { consistent: true });
      let spent = pots.get('wallet/team_dev#life')?.settledNanoUsd ?? 0n;
      for await (const lanes of store.allLanes()) {
        for (const lane of lanes) {
          expect(lane.holds.size).toBe(0);
          spent += lane.unflushedNanoUsd;
        }
      }
      return spent;
    }

    test('the gateway has its policy and its credential before the first request', () => {
      expect(responder.actions.toSorted()).toEqual(['GetParametersByPath', 'GetSecretValue']);
    });

    test('a health check answers with the request id of API Gateway', async () => {
      const { head, text } = await gateway.invoke(restEvent('GET', '/healthz', {})).finished();
      expect(head).toMatchObject({ statusCode: 200, headers: { 'x-request-id': 'api-/healthz', 'request-id': 'api-/healthz' } });
      expect(JSON.parse(text)).toMatchObject({ status: 'ok', stage: 'dev' });
    });

    test("another stage's key is 401", async () => {
      const foreign = { authorization: `Bearer ${makeApiKey('prod', (length) => systemRandom.id(length))}` };
      const { head, text } = await gateway.invoke(restEvent('GET', '/v1/models', foreign)).finished();
      expect(head?.statusCode).toBe(401);
      expect(JSON.parse(text)).toMatchObject({ error: { code: 'invalid_api_key' } });
    });

    test('a call is paid for, sent with the credential, answered and settled before the handler ends', async () => {
      const before = await spentNanoUsd();
      const coming = provider.next();
      const invocation = gateway.invoke(chat({}));
      const call = await coming;
      expect(call.req.headers.authorization).toBe(`Bearer ${SECRET}`);
      expect(call.req.url).toBe('/v1/chat/completions');
      answer(call, 10, 100);
      const { head, text } = await invocation.finished();
      expect(head).toMatchObject({ statusCode: 200, headers: { 'x-tollgate-provider': 'openai' } });
      expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: 'hello' } }] });
      // 10 tokens at $1 and 100 at $2 a million.
      expect((await spentNanoUsd()) - before).toBe(parseUsd('0.00021'));
    });

    test('an answer with a key is kept before the handler ends, and given again without a call', async () => {
      const keyed = chat({ max_tokens: 10 }, { 'Idempotency-Key': 'a-key-of-the-client' });
      const coming = provider.next();
      const first = gateway.invoke(keyed);
      answer(await coming, 1, 1);
      const { text } = await first.finished();
      const [before, sent] = [await spentNanoUsd(), provider.calls.length];
      const repeat = await gateway.invoke(keyed).finished();
      expect(repeat.head).toMatchObject({
        statusCode: 200,
        headers: { 'x-tollgate-replayed': 'true', 'x-tollgate-cost-usd': '0.00' },
      });
      expect(repeat.text).toBe(text);
      expect(await spentNanoUsd()).toBe(before);
      expect(provider.calls).toHaveLength(sent);
    });

    test('the first chunk of a stream is out while the provider still holds the rest back', async () => {
      const before = await spentNanoUsd();
      const coming = provider.next();
      const invocation = gateway.invoke(chat({ stream: true }));
      const { res } = await coming;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(event({ choices: [{ index: 0, delta: { content: 'first' } }] }));
      await invocation.until('first chunk', ({ text }) => text.includes('"first"'));
      expect(invocation.head).toMatchObject({
        statusCode: 200,
        headers: { 'content-type': expect.stringContaining('text/event-stream') },
      });
      expect(invocation.end).toBeUndefined();
      res.write(event({ choices: [{ index: 0, delta: { content: 'last' }, finish_reason: 'stop' }] }));
      res.end(`${event({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 50, total_tokens: 60 } })}data: [DONE]\n\n`);
      const { text } = await invocation.finished();
      expect(text).toContain('"last"');
      expect(text).not.toContain('prompt_tokens');
      expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
      expect((await spentNanoUsd()) - before).toBe(parseUsd('0.00011'));
    });

    test('what a call taught of its target is written before the handler ends', async () => {
      const coming = provider.next();
      const invocation = gateway.invoke(chat({}));
      (await coming).res.writeHead(500).end();
      const { head } = await invocation.finished();
      expect(head).toMatchObject({ statusCode: 502, headers: { 'x-tollgate-attempts': '1' } });
      expect(await health.readHealth(['openai/gpt-5-mini'])).toMatchObject(
        new Map([['openai/gpt-5-mini', { failures: 1, coolUntilEpochMs: expect.any(Number) }]]),
      );
    });

    test('the only target is tried while it cools down, and its success ends that for all', async () => {
      const coming = provider.next();
      const invocation = gateway.invoke(chat({}));
      answer(await coming, 1, 1);
      expect((await invocation.finished()).head?.statusCode).toBe(200);
      expect(await health.readHealth(['openai/gpt-5-mini'])).toEqual(new Map([['openai/gpt-5-mini', { failures: 0 }]]));
    });

    test('spend that crosses a threshold is published before the handler ends', async () => {
      const coming = provider.next();
      const invocation = gateway.invoke(chat({}));
      answer(await coming, 10, 500);
      await invocation.finished();
      const published = responder.calls.filter(({ action }) => action === 'Publish');
      expect(published).toHaveLength(1);
      expect(published[0]?.input).toMatchObject({ TopicArn: environment.TOLLGATE_ALERT_TOPIC_ARN, MessageStructure: 'json' });
      expect(String(published[0]?.input.Message)).toContain('budget/dev/day');
    });

    test('a call that no longer fits is 402 with nothing sent', async () => {
      const sent = provider.calls.length;
      const { head, text } = await gateway.invoke(chat({ max_tokens: 512 })).finished();
      expect(head).toMatchObject({ statusCode: 402, headers: { 'x-should-retry': 'false' } });
      expect(JSON.parse(text).error.metadata.limited_by).toBe('budget/dev/day');
      expect(provider.calls).toHaveLength(sent);
    });

    test('a block tells people at the first refusal that it causes, and only then', async () => {
      await gateway.invoke(chat({ max_tokens: 512 })).finished();
      const published = responder.calls.filter(({ action }) => action === 'Publish').map(({ input }) => String(input.Message));
      expect(published).toHaveLength(2);
      expect(published[1]).toContain('requests are being refused');
    });

    test('the keeper makes its pass on the same ledger', async () => {
      const { TOLLGATE_SECRET_PREFIX: _none, ...forKeeper } = environment;
      const forThisOne = { ...forKeeper, AWS_ENDPOINT_URL_DYNAMODB: await keeperRecorder.start() };
      const keeper = new BundledFunction(join(assetOf('DevStack', 'Keeper/Function/Code'), 'index.mjs'), forThisOne);
      try {
        await keeper.ready();
        const { end } = await keeper.invoke({ source: 'aws.events' }).finished();
        expect(end?.result).toMatchObject({ complete: true, drifted: 0, unfinished: 0, lanes: expect.any(Number) });
      } finally {
        await keeper.stop();
      }
    });

    test('the rights that the stack gives are enough for every call that the functions made', () => {
      const statements = statementsOf(templateOf('dev'));
      /** As the recorder writes rights. */
      const given = (role: string): Set<string> =>
        new Set(
          statements
            .filter(({ policy }) => policy.startsWith(role))
            .flatMap(({ actions, resources }) =>
              resources.flatMap((resource) => {
                const index = /\/(index\/\w+)$/.exec(resource)?.[1];
                return actions.map((action) => (index === undefined ? action : `${action} ${index}`));
              }),
            ),
        );
      expect(gatewayRecorder.rights.size).toBeGreaterThan(3);
      expect([...gatewayRecorder.rights].filter((right) => !given('Gateway').has(right))).toEqual([]);
      expect(keeperRecorder.rights).toContain('dynamodb:Scan index/byWallet');
      expect([...keeperRecorder.rights].filter((right) => !given('Keeper').has(right))).toEqual([]);
    });

    test('a function without its variables says which are missing and does not start', async () => {
      const { TOLLGATE_TABLE: _none, ...rest } = environment;
      const broken = new BundledFunction(join(assetOf('DevStack', 'Gateway/Code'), 'index.mjs'), rest);
      await expect(broken.ready()).rejects.toThrow(/TOLLGATE_TABLE is not set/);
    });

    test('no log holds a prompt, an API key or a credential', () => {
      const logs = gateway.logs.join('\n');
      expect(logs).toContain('"stage":"dev"');
      for (const secret of [PROMPT, key, SECRET]) expect(logs).not.toContain(secret);
    });
  });
});

describe('the app', () => {
  test('a policy with a mistake ends it with 1 and says file, line and what is wrong, without a stack trace', () => {
    const policies = mkdtempSync(join(tmpdir(), 'tollgate-policy-'));
    try {
      for (const stage of ['dev', 'prod']) {
        const text = readFileSync(join(ROOT, 'policy', `${stage}.yaml`), 'utf8');
        writeFileSync(join(policies, `${stage}.yaml`), stage === 'dev' ? text.replace('timezone:', 'timezon:') : text);
      }
      const run = spawnSync(process.execPath, [join(ROOT, 'bin', 'app.ts')], {
        cwd: ROOT,
        env: {
          ...offline(policies),
          CDK_CONTEXT_JSON: JSON.stringify({ policyDir: policies }),
          CDK_OUTDIR: join(policies, 'out'),
        },
        encoding: 'utf8',
      });
      expect(run.status).toBe(1);
      expect(run.stderr).toMatch(/dev\.yaml:\d+:\d+ .*timezon/);
      expect(run.stderr).not.toMatch(/^\s+at /m);
      expect(existsSync(join(policies, 'out', 'manifest.json'))).toBe(false);
    } finally {
      rmSync(policies, { recursive: true, force: true });
    }
  });
});

/** A group whose day holds one expensive call more than the others of this file. */
function livePolicy(baseUrl: string): Policy {
  const policy = policyOf('dev');
  return {
    ...policy,
    consumerGroups: policy.consumerGroups.map((group) => ({
      ...group,
      budgets: group.budgets.map((budget) => ({ ...budget, limitNanoUsd: parseUsd('0.0022') })),
    })),
    providers: policy.providers.map((one) => ({ ...one, baseUrl })),
    routes: policy.routes.map((one) => ({ ...one, cooldown: { afterFailures: 1, forMs: 30_000 } })),
    prices: [price('openai', 'gpt-5-mini')],
  };
}

function event(data: object): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-5-mini', ...data })}\n\n`;
}

function answer({ res }: RawCall, inputTokens: number, outputTokens: number): void {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(
    JSON.stringify({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-5-mini',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hello' } }],
      usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens },
    }),
  );
}
