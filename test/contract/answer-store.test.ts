/** The store of kept answers: one claim wins, whoever races; an answer comes back byte for byte; in memory and on the database. */
import { createHash, randomBytes } from 'node:crypto';
import { DynamoAnswerStore } from '../../lambdas/adapters/dynamodb/answer-store.ts';
import { MemoryAnswerStore } from '../../lambdas/adapters/memory/answer-store.ts';
import type { AnswerKey, AnswerStore, ClaimRequest, StoredAnswer } from '../../lambdas/application/ports-answers.ts';
import { CapacityMeter } from '../support/capacity-meter.ts';
import { type TestDatabase, startTestDatabase } from '../support/database.ts';

let shared: TestDatabase | undefined;
beforeAll(async () => {
  shared = await startTestDatabase();
}, 60_000);
afterAll(async () => shared?.stop());

const NOW = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const KEY: AnswerKey = { kind: 'once', groupId: 'dev', sha256: 'a'.repeat(64) };

function claim(owner: string, change: Partial<ClaimRequest> = {}): ClaimRequest {
  const nowEpochMs = change.nowEpochMs ?? NOW;
  return {
    key: KEY,
    requestSha256: 'b'.repeat(64),
    owner: owner.padEnd(16, '0'),
    nowEpochMs,
    leaseUntilEpochMs: nowEpochMs + 60_000,
    expiresAtEpochMs: nowEpochMs + 24 * HOUR_MS,
    ...change,
  };
}

function answer(body: Uint8Array, change: Partial<StoredAnswer> = {}): StoredAnswer {
  return {
    status: 200,
    headers: new Map([['content-type', 'application/json']]),
    stream: false,
    body,
    route: 'economy',
    provider: 'openai',
    costNanoUsd: 9_007_199_254_740_993n,
    atEpochMs: NOW,
    ...change,
  };
}

/** With a digest in place of its body: a matcher walks a megabyte byte by byte. */
function digested(stored: StoredAnswer | undefined) {
  return stored && { ...stored, body: createHash('sha256').update(stored.body).digest('hex') };
}

const SMALL = answer(new TextEncoder().encode('{"ok":true}'));

describe.each([
  ['memory', async (): Promise<AnswerStore> => new MemoryAnswerStore()],
  [
    'dynoxide',
    async (): Promise<AnswerStore> => {
      if (!shared) throw new Error('the database did not start');
      return new DynamoAnswerStore({ client: shared.client, tableName: await shared.newTable() });
    },
  ],
])('kept answers in %s', (_name, open) => {
  test('of 20 racing claims one wins, and the others learn its request and its lease', async () => {
    const store = await open();
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => store.claimAnswer(claim(`owner${n}`))));
    expect(outcomes.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
    const others = outcomes.filter(({ kind }) => kind !== 'claimed');
    expect(new Set(others.map((outcome) => JSON.stringify(outcome)))).toEqual(
      new Set([JSON.stringify({ kind: 'open', requestSha256: 'b'.repeat(64), leaseUntilEpochMs: NOW + 60_000 })]),
    );
  });

  test('a claim whose reply was lost is found again by its owner', async () => {
    const store = await open();
    expect(await store.claimAnswer(claim('me'))).toEqual({ kind: 'claimed' });
    expect(await store.claimAnswer(claim('me'))).toEqual({ kind: 'claimed' });
    expect(await store.claimAnswer(claim('you'))).toMatchObject({ kind: 'open' });
  });

  test('only its owner gives a claim back, and then anybody may have it, with any request', async () => {
    const store = await open();
    await store.claimAnswer(claim('me'));
    await store.releaseClaim(claim('you'));
    expect(await store.claimAnswer(claim('you'))).toMatchObject({ kind: 'open' });
    await store.releaseClaim(claim('me'));
    expect(await store.claimAnswer(claim('you', { requestSha256: 'c'.repeat(64) }))).toEqual({ kind: 'claimed' });
    // A release that comes late finds another owner.
    await store.releaseClaim(claim('me'));
    expect(await store.claimAnswer(claim('third'))).toMatchObject({ kind: 'open', requestSha256: 'c'.repeat(64) });
  });

  test('an ended claim gives its answer as it was, and neither a release nor a second end changes it', async () => {
    const store = await open();
    await store.claimAnswer(claim('me'));
    await store.endClaim(claim('you'), SMALL);
    expect(await store.claimAnswer(claim('you'))).toMatchObject({ kind: 'open' });
    await store.endClaim(claim('me'), SMALL);
    await store.endClaim(claim('me'), undefined);
    await store.releaseClaim(claim('me'));
    for (const owner of ['you', 'me']) {
      expect(await store.claimAnswer(claim(owner))).toEqual({ kind: 'done', requestSha256: 'b'.repeat(64), answer: SMALL });
    }
  });

  test('a claim that ended without an answer stays taken', async () => {
    const store = await open();
    await store.claimAnswer(claim('me'));
    await store.endClaim(claim('me'), undefined);
    await store.releaseClaim(claim('me'));
    expect(await store.claimAnswer(claim('you'))).toEqual({ kind: 'lost', requestSha256: 'b'.repeat(64) });
  });

  test('a key is free again when it has expired, whether or not its item was removed, and not a moment earlier', async () => {
    const store = await open();
    await store.claimAnswer(claim('me'));
    await store.endClaim(claim('me'), SMALL);
    const later = (ms: number) => claim('you', { nowEpochMs: NOW + 24 * HOUR_MS + ms });
    expect(await store.claimAnswer(later(-1))).toMatchObject({ kind: 'done' });
    expect(await store.claimAnswer(later(0))).toEqual({ kind: 'claimed' });
  });

  test('groups and kinds have names of their own', async () => {
    const store = await open();
    await store.claimAnswer(claim('me'));
    expect(await store.claimAnswer(claim('you', { key: { ...KEY, groupId: 'other' } }))).toEqual({ kind: 'claimed' });
    expect(await store.findAnswer({ ...KEY, kind: 'cache' }, NOW)).toBeUndefined();
  });

  test.each([0, 1, 600, 1024 * 1024])(
    'an answer of %i bytes that no compression helps comes back byte for byte',
    async (bytes) => {
      const store = await open();
      const large = answer(new Uint8Array(randomBytes(bytes)), {
        stream: true,
        headers: new Map([
          ['content-type', 'text/event-stream'],
          ['content-encoding', 'identity'],
        ]),
      });
      await store.claimAnswer(claim('me'));
      await store.endClaim(claim('me'), large);
      const done = await store.claimAnswer(claim('you'));
      if (done.kind !== 'done') throw new Error(`the claim is ${done.kind}`);
      expect(digested(done.answer)).toEqual(digested(large));
      const key: AnswerKey = { ...KEY, kind: 'cache' };
      await store.keepAnswer(key, large, 'v'.repeat(16), NOW + HOUR_MS);
      expect(digested(await store.findAnswer(key, NOW))).toEqual(digested(large));
    },
  );

  test('a cached answer stands until its time, and of two writers one whole answer', async () => {
    const store = await open();
    const key: AnswerKey = { ...KEY, kind: 'cache' };
    const [one, two] = [randomBytes(800 * 1024), randomBytes(800 * 1024)].map((body) => answer(new Uint8Array(body)));
    if (one === undefined || two === undefined) throw new RangeError('two answers');
    await Promise.all([
      store.keepAnswer(key, one, '1'.repeat(16), NOW + HOUR_MS),
      store.keepAnswer(key, two, '2'.repeat(16), NOW + HOUR_MS),
    ]);
    const found = digested(await store.findAnswer(key, NOW + HOUR_MS - 1));
    expect([digested(one), digested(two)]).toContainEqual(found);
    expect(await store.findAnswer(key, NOW + HOUR_MS)).toBeUndefined();
  });
});

test('what an answer costs: a claim and its end are a write each and one for each KB; a repeat reads them', async () => {
  if (!shared) throw new Error('the database did not start');
  const meter = new CapacityMeter(shared.client, shared.endpoint);
  try {
    const options = { client: shared.client, tableName: await shared.newTable(), onCall: meter.onCall };
    const store = new DynamoAnswerStore(options);
    const units = async (run: () => Promise<unknown>): Promise<readonly [writes: number, reads: number]> => {
      meter.take();
      await run();
      const calls = meter.take();
      return [
        calls.reduce((sum, call) => sum + call.writeUnits + call.indexUnits, 0),
        calls.reduce((sum, call) => sum + call.readUnits, 0),
      ];
    };
    const body = answer(new Uint8Array(randomBytes(8 * 1024)));
    const key: AnswerKey = { ...KEY, kind: 'cache' };
    expect(await units(() => store.claimAnswer(claim('me')))).toEqual([1, 0]);
    expect(await units(() => store.releaseClaim(claim('me')))).toEqual([1, 0]);
    expect(await units(() => store.claimAnswer(claim('me')))).toEqual([1, 0]);
    expect(await units(() => store.claimAnswer(claim('you')))).toEqual([1, 0]);
    expect(await units(() => store.endClaim(claim('me'), body))).toEqual([9 + 1, 0]);
    expect(await units(() => store.claimAnswer(claim('you')))).toEqual([1, 3]);
    expect(await units(() => store.findAnswer(key, NOW))).toEqual([0, 0.5]);
    expect(await units(() => store.keepAnswer(key, body, 'v'.repeat(16), NOW + HOUR_MS))).toEqual([9 + 1, 0]);
    expect(await units(() => store.findAnswer(key, NOW))).toEqual([0, 3.5]);
  } finally {
    meter.stop();
  }
});
