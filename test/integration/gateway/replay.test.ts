/** Idempotency-Key over real sockets, as clients send it: with the OpenAI SDK and its own retries, and by a caller who leaves. */
import OpenAI from 'openai';
import { type Live, MESSAGES, live } from '../../support/live-gateway.ts';

const KEYED = { headers: { 'idempotency-key': 'f6a1c9d2-1' } };
const ASK = { model: 'economy', messages: MESSAGES } as const;

let at: Live;
beforeEach(async () => {
  at = await live();
});
afterEach(async () => {
  await at.stop();
});

test('the OpenAI SDK asks twice with one key and is charged once', async () => {
  const first = await at.openai.chat.completions.create(ASK, KEYED);
  const { data, response } = await at.openai.chat.completions.create(ASK, KEYED).withResponse();
  expect(data).toEqual(first);
  expect(response.headers.get('x-tollgate-replayed')).toBe('true');
  await at.payments.settled(1);
  expect(at.providers[0].requests).toBe(1);
  expect(at.payments.holds).toHaveLength(1);
});

test('the OpenAI SDK streams twice with one key, gets the same chunks and is charged once', async () => {
  const chunks = async () => {
    const all = [];
    for await (const chunk of await at.openai.chat.completions.create({ ...ASK, stream: true }, KEYED)) all.push(chunk);
    return all;
  };
  const first = await chunks();
  expect(first.length).toBeGreaterThan(3);
  expect(await chunks()).toEqual(first);
  expect(at.providers[0].requests).toBe(1);
  expect(at.payments.holds).toHaveLength(1);
});

test('the SDK retries by itself after a lost connection and gets the answer that it was charged for', async () => {
  let calls = 0;
  const losing = new OpenAI({
    apiKey: at.key,
    baseURL: `${at.server.url}/v1`,
    fetch: async (...args) => {
      calls += 1;
      const response = await fetch(...args);
      if (calls > 1) return response;
      await response.text();
      throw new TypeError('fetch failed');
    },
  });
  const { data, response } = await losing.chat.completions.create(ASK, KEYED).withResponse();
  expect(calls).toBe(2);
  expect(data.choices[0]?.message.content).toContain('simulated');
  expect(response.headers.get('x-tollgate-replayed')).toBe('true');
  expect(at.providers[0].requests).toBe(1);
  expect(at.payments.holds).toHaveLength(1);
});

test('a caller who leaves in mid-stream comes back with the key and gets the whole answer, charged once', async () => {
  await at.stop();
  at = await live({ first: { chunkDelayMs: 20 } });
  const leaving = new AbortController();
  const body = JSON.stringify({ ...ASK, stream: true });
  const ask = (signal?: AbortSignal) =>
    fetch(`${at.server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}`, ...KEYED.headers },
      body,
      signal,
    });
  const reader = (await ask(leaving.signal)).body?.getReader();
  await reader?.read();
  leaving.abort();
  const repeat = await ask();
  expect(repeat.headers.get('x-tollgate-replayed')).toBe('true');
  expect(await repeat.text()).toMatch(/^data: [^]*data: \[DONE\]\n\n$/);
  await at.payments.settled(1);
  expect(at.payments.settlements[0]?.detail).toMatchObject({ outcome: 'ok' });
  expect(at.providers[0].requests).toBe(1);
  expect(at.payments.holds).toHaveLength(1);
});

test('a key with another body is refused once: the SDK does not repeat it', async () => {
  await at.openai.chat.completions.create(ASK, KEYED);
  const failure = await at.openai.chat.completions.create({ ...ASK, temperature: 0 }, KEYED).catch((error: unknown) => error);
  expect(failure).toMatchObject({ status: 400, code: 'idempotency_conflict' });
  expect(at.log.lines.filter(({ message }) => message === 'call')).toHaveLength(2);
});
