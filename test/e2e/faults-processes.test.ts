/** Several gateways on one database are killed at random, again and again, under load: no money is lost and none is invented. */
import { ask, databaseOf } from '../support/crash-faults.ts';
import { type Started, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { testPolicy } from '../support/test-policies.ts';
import { startUpstream, wish } from '../support/upstream.ts';
import { seeded } from '../support/ledger.ts';

const PROCESSES = 3;
const CALLERS = 6;
const LOAD_MS = 20_000;
const HOLD_SECONDS = 4;

test('three gateways killed at random under load: the books agree, no limit is passed, nothing stays held', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = seeded(seed);
  const upTo = (most: number): number => Math.floor(random.fraction() * most);
  const upstream = await startUpstream();
  const { directory, remove } = await temporaryDirectory();
  const groups = [
    {
      name: 'team',
      wallet: 'team_one',
      funding: ['team_two'],
      budgets: [
        '{ name: day, window: day, limit_usd: "100000.00" }',
        '{ name: each, per: user, window: day, limit_usd: "30000.00" }',
      ],
      providerBudgets: ['{ name: month, window: month, limit_usd: "90000.00" }'],
    },
    { name: 'tight', wallet: 'team_tight', budgets: ['{ name: day, window: day, limit_usd: "150.00" }'] },
  ];
  const wallets = { team_one: '500.00', team_two: '60000.00', team_tight: '1000.00' };
  const policy = await writePolicies(directory, {
    dev: testPolicy({ stage: 'dev', baseUrl: upstream.baseUrl, wallets, groups }),
    prod: testPolicy({ stage: 'prod', baseUrl: upstream.baseUrl, wallets, groups }),
  });
  const home = `${directory}/home`;
  const local = ['--local', '--home', home, '--policy', policy];
  const start = (): Promise<Started> => startTollgate({ home, policy, more: ['--hold-seconds', String(HOLD_SECONDS)] });
  const gateways = await Promise.all(Array.from({ length: PROCESSES }, start));
  const databaseBefore = await databaseOf(home);
  const load = { over: false };
  let kills = 0;
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const caller = async (): Promise<void> => {
    while (!load.over) {
      const gateway = gateways[upTo(PROCESSES)];
      if (gateway === undefined) continue;
      const { openaiBaseUrl, keys } = gateway.ready.stages.dev;
      const model = random.fraction() < 0.8 ? 'team' : 'tight';
      const cap = 1 + upTo(200);
      const body = {
        model,
        max_tokens: cap,
        stream: random.fraction() < 0.4,
        messages: wish({ tokens: 1 + upTo(cap), delayMs: upTo(120) }),
      };
      try {
        count(String((await ask(openaiBaseUrl, keys[model] ?? '', body)).status));
      } catch {
        count('cut off');
        // Its gateway is being started again.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  /** One for each gateway but the last, so that two may be away at once and one always answers. */
  const killer = async (victim: number): Promise<void> => {
    while (!load.over) {
      await new Promise((resolve) => setTimeout(resolve, 300 + upTo(1_500)));
      await gateways[victim]?.end('SIGKILL');
      kills += 1;
      gateways[victim] = await start();
    }
  };
  try {
    const busy = Promise.all([killer(0), killer(1), ...Array.from({ length: CALLERS }, caller)]);
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
    load.over = true;
    await busy;
    for (const gateway of gateways) expect(await gateway.end('SIGTERM')).toBe(0);
    expect(kills).toBeGreaterThan(3);
    expect(counts.get('200') ?? 0).toBeGreaterThan(50);
    expect(counts.get('402') ?? 0).toBeGreaterThan(0);
    expect([...counts.keys()].filter((what) => !['200', '402', '429', '503', 'cut off'].includes(what))).toEqual([]);

    await new Promise((resolve) => setTimeout(resolve, (HOLD_SECONDS + 2) * 1_000));
    const kept = await tollgate(['ledger', 'keep', '--once', ...local]);
    expect({ seed, code: kept.code, stderr: kept.stderr }).toEqual({ seed, code: 0, stderr: '' });
    const verified = await tollgate(['ledger', 'verify', '--quiesced', '--stage', 'dev', '--json', ...local]);
    const report = JSON.parse(verified.stdout) as Readonly<Record<string, unknown>>;
    expect({ seed, code: verified.code, findings: report.findings, held: report.heldUsd, spent: report.spentUsd }).toEqual({
      seed,
      code: 0,
      findings: [],
      held: '0.00',
      spent: report.entriesUsd,
    });
    const { stdout } = await tollgate(['wallet', 'show', 'team_tight', '--stage', 'dev', '--json', ...local]);
    expect({ seed, spent: Number((JSON.parse(stdout) as { readonly spentUsd: string }).spentUsd) <= 150 }).toEqual({
      seed,
      spent: true,
    });
    // Nobody killed the database, and the last who left it has ended it.
    expect([databaseBefore !== undefined, await databaseOf(home)]).toEqual([true, undefined]);
  } finally {
    load.over = true;
    for (const gateway of gateways) await gateway.end('SIGKILL');
    await tollgate(['ledger', 'verify', ...local]);
    await upstream.stop();
    await remove();
  }
}, 120_000);
