import { SsmPolicySource } from '../../../lambdas/adapters/ssm/policy-source.ts';
import { fromParameters, toParameters } from '../../../lambdas/policy/parameters.ts';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import { policyOf } from '../../infrastructure/stage-fixture.ts';
import { AwsResponder, type WireCall, wireError } from './aws-responder.ts';
import { ManualClock } from './manual-clock.ts';

const PREFIX = '/tollgate/dev/policy';
const PAGE = 10;

/** Parameter Store as far as the adapter asks: paged by path, and one by name. */
class Store {
  values = new Map<string, string>();
  failing = false;

  put(policy: Policy): void {
    for (const { name, value } of toParameters(policy)) this.values.set(name, value);
  }

  answer({ action, input }: WireCall) {
    if (this.failing) return wireError('InternalServerError', 'down', 500);
    if (action === 'GetParameter') {
      const value = this.values.get(String(input.Name));
      return value === undefined ? wireError('ParameterNotFound') : { body: { Parameter: { Name: input.Name, Value: value } } };
    }
    if (action !== 'GetParametersByPath' || input.Path !== PREFIX || input.Recursive !== true)
      return wireError('ValidationException');
    const from = Number(input.NextToken ?? 0);
    const all = [...this.values].map(([Name, Value]) => ({ Name, Value, Type: 'String' }));
    const next = from + PAGE < all.length ? { NextToken: String(from + PAGE) } : {};
    return { body: { Parameters: all.slice(from, from + PAGE), ...next } };
  }
}

/** A policy whose groups tell versions apart, with enough of them for several pages. */
function version(maxOutputTokens: number): Policy {
  const policy = policyOf('dev');
  const [group] = policy.consumerGroups;
  if (!group) throw new Error('the fixture has a group');
  const consumerGroups = Array.from({ length: 12 }, (_, i) => ({ ...group, name: `group-${i}`, maxOutputTokens }));
  return { ...policy, consumerGroups };
}

function versionOf(policy: Policy): number | undefined {
  const caps = new Set(policy.consumerGroups.map((group) => group.maxOutputTokens));
  expect(caps.size).toBe(1);
  return [...caps][0];
}

describe('the policy from SSM', () => {
  const responder = new AwsResponder();
  let store: Store;
  let clock: ManualClock;
  let problems: { message: string; brokenForMs: number | undefined }[];
  let recover: () => Promise<Policy>;
  let source: SsmPolicySource;

  beforeAll(() => responder.start());
  afterAll(() => responder.stop());
  beforeEach(() => {
    store = new Store();
    clock = new ManualClock();
    problems = [];
    recover = () => Promise.reject(new Error('no versions'));
    responder.calls.length = 0;
    responder.respond = (call) => store.answer(call);
    source = new SsmPolicySource({
      prefix: PREFIX,
      decode: (values) => fromParameters(values, 'dev'),
      clock,
      onProblem: (message, standing) => problems.push({ message, brokenForMs: standing?.brokenForMs }),
      recover: () => recover(),
      client: { ...responder.client, maxAttempts: 1 },
    });
  });

  /** Lets a background refresh come to its end. */
  async function settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  test('reads every page, and equals the policy that was written', async () => {
    store.put(version(100));
    expect(store.values.size).toBeGreaterThan(PAGE);
    expect(await source.current()).toEqual(version(100));
    expect(responder.actions).toEqual(['GetParametersByPath', 'GetParametersByPath']);
  });

  test('many callers at once cause one load, and 30 s without another', async () => {
    store.put(version(100));
    await Promise.all(Array.from({ length: 20 }, () => source.current()));
    clock.advance(29_999);
    await source.current();
    expect(responder.calls).toHaveLength(2);
  });

  test('from 30 s on a use refreshes in the background, and an unchanged policy costs one small read', async () => {
    store.put(version(100));
    const first = await source.current();
    clock.advance(30_000);
    expect(await source.current()).toBe(first);
    while (responder.calls.length < 3) await settle();
    await settle();
    expect(responder.actions.slice(2)).toEqual(['GetParameter']);
    clock.advance(29_999);
    await source.current();
    expect(responder.calls).toHaveLength(3);
  });

  test('a change is in force at its first use after the refresh, and nobody waits for it before 60 s', async () => {
    store.put(version(100));
    await source.current();
    store.put(version(200));
    clock.advance(30_000);
    expect(versionOf(await source.current())).toBe(100);
    const giveUpAt = Date.now() + 20_000;
    while (versionOf(await source.current()) !== 200 && Date.now() < giveUpAt) await settle();
    expect(versionOf(await source.current())).toBe(200);
  });

  test('nothing older than 60 s is used: a caller after a pause waits for the new policy', async () => {
    store.put(version(100));
    await source.current();
    store.put(version(200));
    clock.advance(60_000);
    expect(versionOf(await source.current())).toBe(200);
  });

  test('half a change is not taken, is said, and is taken once it is whole', async () => {
    store.put(version(100));
    await source.current();
    const next = toParameters(version(200));
    // The first half of the parts and the index: what a reader may see in the middle of a deployment.
    for (const { name, value } of [...next.slice(0, 6), ...next.slice(-1)]) store.values.set(name, value);
    clock.advance(60_000);
    expect(versionOf(await source.current())).toBe(100);
    expect(problems).toEqual([{ message: expect.stringContaining('IncompletePolicyError'), brokenForMs: 0 }]);
    store.put(version(200));
    clock.advance(5_000);
    expect(versionOf(await source.current())).toBe(200);
  });

  test('parts that have changed while the index has not leave the policy as it was', async () => {
    store.put(version(100));
    await source.current();
    for (const { name, value } of toParameters(version(200)).slice(0, 6)) store.values.set(name, value);
    clock.advance(60_000);
    expect(versionOf(await source.current())).toBe(100);
    expect(problems).toEqual([]);
  });

  test('an SSM that does not answer leaves the last policy in force and is asked again no more than every 5 s', async () => {
    store.put(version(100));
    await source.current();
    store.failing = true;
    clock.advance(60_000);
    for (let i = 0; i < 5; i += 1) expect(versionOf(await source.current())).toBe(100);
    expect(responder.calls).toHaveLength(3);
    expect(problems).toHaveLength(1);
    store.failing = false;
    store.put(version(200));
    clock.advance(5_000);
    expect(versionOf(await source.current())).toBe(200);
  });

  test('a first load waits for half a change to become whole', async () => {
    store.put(version(100));
    store.values.delete(`${PREFIX}/index`);
    let reads = 0;
    responder.respond = (call) => {
      reads += 1;
      if (reads === 3) store.put(version(100));
      return store.answer(call);
    };
    expect(versionOf(await source.current())).toBe(100);
  });

  test('without any policy there is an error that says where it looked, and the next call tries again', async () => {
    await expect(source.current()).rejects.toMatchObject({
      code: 'policy_unavailable',
      message: expect.stringContaining('there are no parameters under /tollgate/dev/policy'),
    });
    store.put(version(100));
    expect(versionOf(await source.current())).toBe(100);
  });

  test('how long a set has been broken is told with each look, until one is whole', async () => {
    store.put(version(100));
    await source.current();
    store.values.set(`${PREFIX}/index`, '{}');
    for (const ms of [60_000, 60_000, 5_000]) {
      clock.advance(ms);
      expect(versionOf(await source.current())).toBe(100);
    }
    store.put(version(200));
    clock.advance(5_000);
    expect(versionOf(await source.current())).toBe(200);
    store.values.set(`${PREFIX}/index`, '{}');
    clock.advance(60_000);
    await source.current();
    expect(problems.map(({ brokenForMs }) => brokenForMs)).toEqual([0, 60_000, 65_000, 0]);
  });

  test('a process that starts while the set is broken takes the last whole policy, and the next one as soon as it is whole', async () => {
    store.put(version(100));
    store.values.set(`${PREFIX}/index`, '{}');
    recover = () => Promise.resolve(version(50));
    expect(versionOf(await source.current())).toBe(50);
    expect(problems).toEqual([{ message: expect.stringContaining('DecodeError'), brokenForMs: 0 }]);
    store.put(version(100));
    clock.advance(60_000);
    expect(versionOf(await source.current())).toBe(100);
  });

  test("another stage's policy under this stage's path is refused", async () => {
    const foreign = toParameters({ ...policyOf('prod') });
    for (const { name, value } of foreign) store.values.set(name.replace('/prod/', '/dev/'), value);
    await expect(source.current()).rejects.toMatchObject({ code: 'policy_unavailable' });
  });
});
