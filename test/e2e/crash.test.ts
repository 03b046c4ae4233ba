/** A gateway that is killed in the middle of its work loses and invents no money. */
import OpenAI from 'openai';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, startTollgate, temporaryDirectory, tollgate, writePolicies } from '../support/stages.ts';
import { testPolicy } from '../support/test-policies.ts';
import { startUpstream, wish } from '../support/upstream.ts';

const CALLS = 200;
const AT_ONCE = 8;
const HOLD_SECONDS = 5;

test('200 random calls with kill -9 in the middle: the books agree, spent is the sum of entries, nothing stays held', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = mulberry32(seed);
  const upstream = await startUpstream();
  const { directory, remove } = await temporaryDirectory();
  const groups = [
    {
      name: 'team',
      wallet: 'team_one',
      funding: ['team_two'],
      budgets: [
        '{ name: day, window: day, limit_usd: "100000.00" }',
        '{ name: each, per: user, window: day, limit_usd: "50000.00" }',
      ],
      providerBudgets: ['{ name: month, window: month, limit_usd: "100000.00" }'],
    },
  ];
  const wallets = { team_one: '5000.00', team_two: '50000.00' };
  const policy = await writePolicies(directory, {
    dev: testPolicy({ stage: 'dev', baseUrl: upstream.baseUrl, wallets, groups }),
    prod: testPolicy({ stage: 'prod', baseUrl: upstream.baseUrl, wallets, groups }),
  });
  const home = `${directory}/home`;
  const local = ['--local', '--home', home, '--policy', policy];
  const more = ['--hold-seconds', String(HOLD_SECONDS)];
  let running = await startTollgate({ home, policy, more });
  const keys = running.ready.stages.dev.keys;
  try {
    let sent = 0;
    let answered = 0;
    const callers = async (until: number): Promise<void> => {
      const { openaiBaseUrl } = running.ready.stages.dev;
      const sdk = new OpenAI({ baseURL: openaiBaseUrl, apiKey: keys.team ?? '', maxRetries: 0 });
      const caller = async (): Promise<void> => {
        while (sent < until) {
          sent += 1;
          const cap = 1 + Math.floor(random() * 500);
          const ask = {
            model: 'team',
            max_tokens: cap,
            messages: wish({ tokens: 1 + Math.floor(random() * cap), delayMs: Math.floor(random() * 60) }),
          };
          const stream = random() < 0.5;
          try {
            if (stream) await readAll(await sdk.chat.completions.create({ ...ask, stream: true }));
            else await sdk.chat.completions.create(ask);
            answered += 1;
          } catch {
            // The killed process answers nobody; what it held is what this test is about.
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, caller));
    };
    const firstHalf = callers(CALLS / 2);
    await eventually(async () => (answered >= CALLS / 4 ? true : undefined), 30_000, 'a quarter of the calls answered');
    await running.end('SIGKILL');
    await firstHalf;
    running = await startTollgate({ home, policy, more });
    expect({ seed, keys: running.ready.stages.dev.keys }).toEqual({ seed, keys });
    await callers(CALLS);
    expect({ seed, cutOff: sent - answered > 0, most: answered > CALLS / 2 }).toEqual({ seed, cutOff: true, most: true });
    await sleep((HOLD_SECONDS + 2) * 1_000);
    const kept = await tollgate(['ledger', 'keep', '--once', ...local]);
    expect({ seed, code: kept.code, stderr: kept.stderr }).toEqual({ seed, code: 0, stderr: '' });
    const { code, stdout } = await tollgate(['ledger', 'verify', '--stage', 'dev', '--json', ...local]);
    const report = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
    expect({ seed, code, findings: report.findings, held: report.heldUsd, spent: report.spentUsd }).toEqual({
      seed,
      code: 0,
      findings: [],
      held: '0.00',
      spent: report.entriesUsd,
    });
    expect(await running.end('SIGTERM')).toBe(0);
    const quiesced = await tollgate(['ledger', 'verify', '--quiesced', ...local]);
    expect({ seed, code: quiesced.code }).toEqual({ seed, code: 0 });
  } finally {
    await running.end('SIGKILL');
    await tollgate(['ledger', 'verify', ...local]);
    await upstream.stop();
    await remove();
  }
}, 90_000);

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  const chunks = stream[Symbol.asyncIterator]();
  while ((await chunks.next()).done !== true);
}

/** A small seeded generator, so that a failure can be run again. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
