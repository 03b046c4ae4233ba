/** A provider's key in Secrets Manager: cached, rotated at once, and no reason to ask again with every call when it is wrong. */
import { SecretsManagerSource } from '../../../lambdas/adapters/secrets/secret-source.ts';
import { AwsResponder } from '../aws/aws-responder.ts';
import { ManualClock } from '../aws/manual-clock.ts';
import { price, provider, route } from '../../support/gateway-fixture.ts';
import { type Live, live } from '../../support/live-gateway.ts';
import { RawProvider } from '../../support/raw-provider.ts';

const ASK = { model: 'economy', messages: [{ role: 'user', content: 'hi' }] };
const responder = new AwsResponder();
const clock = new ManualClock();
/** What the vendor takes and how it refuses. */
let valid = 'sk-old';
let status = 401;
let stored = 'sk-old';
let raw: RawProvider;
let at: Live;

beforeAll(async () => {
  await responder.start();
  responder.respond = () => ({ body: { Name: 'any', SecretString: stored } });
  raw = new RawProvider(({ req, res }) => {
    const ok = req.headers.authorization === `Bearer ${valid}`;
    res.writeHead(ok ? 200 : status, { 'content-type': 'application/json' }).end(ok ? '{"choices":[]}' : '{}');
  });
  const url = await raw.start();
  at = await live({
    secretSource: new SecretsManagerSource({
      prefix: 'tollgate/dev/',
      clock,
      onProblem: () => undefined,
      client: { ...responder.client, maxAttempts: 1 },
    }),
    policy: {
      providers: [provider('vendor', url, { credential: { kind: 'secret', name: 'vendor' } })],
      routes: [route('economy', ['vendor/small'])],
      prices: [price('vendor', 'small')],
    },
  });
});
afterAll(async () => {
  await at.stop();
  await raw.stop();
  await responder.stop();
});

test.each([401, 403])(
  'a rotated key costs one failed attempt (%d), which is free, and the next call has the new one',
  async (refusal) => {
    status = refusal;
    clock.advance(10_000);
    expect((await at.post(ASK)).status).toBe(200);
    const [reads, sends, settled] = [responder.calls.length, raw.calls.length, at.payments.settlements.length];
    [valid, stored] = [`sk-new-${refusal}`, `sk-new-${refusal}`];
    clock.advance(10_000);
    expect((await at.post(ASK)).status).toBe(502);
    await at.payments.settled(settled + 1);
    expect(raw.calls).toHaveLength(sends + 1);
    expect(at.payments.settlements.at(-1)).toMatchObject({ actualNanoUsd: 0n, detail: { outcome: 'refused_by_provider' } });
    expect((await at.post(ASK)).status).toBe(200);
    expect(responder.calls).toHaveLength(reads + 1);
  },
);

test('a key that stays wrong is looked up once in ten seconds, however many calls it fails', async () => {
  valid = 'sk-nobody-knows';
  clock.advance(10_000);
  await at.post(ASK);
  const reads = responder.calls.length;
  for (let call = 0; call < 8; call += 1) expect((await at.post(ASK)).status).toBe(502);
  expect(responder.calls.length - reads).toBe(1);
});

test('any other answer of the provider says nothing about its key', async () => {
  [valid, status] = ['sk-nobody-knows', 500];
  clock.advance(10_000);
  await at.post(ASK);
  const reads = responder.calls.length;
  await at.post(ASK);
  expect(responder.calls).toHaveLength(reads);
});
