import { SecretsManagerSource } from '../../../lambdas/adapters/secrets/secret-source.ts';
import { AwsResponder, wireError } from './aws-responder.ts';
import { ManualClock } from './manual-clock.ts';

const KEY = 'sk-test-not-a-real-key';

describe('credentials from Secrets Manager', () => {
  const responder = new AwsResponder();
  let clock: ManualClock;
  let problems: string[];
  let source: SecretsManagerSource;

  beforeAll(() => responder.start());
  afterAll(() => responder.stop());
  beforeEach(() => {
    clock = new ManualClock();
    problems = [];
    responder.calls.length = 0;
    source = new SecretsManagerSource({
      prefix: 'tollgate/dev/',
      clock,
      onProblem: (message) => problems.push(message),
      client: { ...responder.client, maxAttempts: 1 },
    });
  });

  const holds = (text: string): void => {
    responder.respond = () => ({ body: { Name: 'any', SecretString: text } });
  };

  test("asks for the name under the stage's prefix and gives the text without its line end", async () => {
    holds(`${KEY}\n`);
    expect(await source.find('openai')).toBe(KEY);
    expect(responder.calls[0]).toMatchObject({ action: 'GetSecretValue', input: { SecretId: 'tollgate/dev/openai' } });
  });

  test('takes the api_key of a JSON secret', async () => {
    holds(JSON.stringify({ api_key: KEY, note: 'x' }));
    expect(await source.find('openai')).toBe(KEY);
  });

  test('a value is asked for once in five minutes, by many callers at once', async () => {
    holds(KEY);
    await Promise.all(Array.from({ length: 10 }, () => source.find('openai')));
    clock.advance(299_999);
    await source.find('openai');
    expect(responder.calls).toHaveLength(1);
    holds('sk-rotated');
    clock.advance(1);
    expect(await source.find('openai')).toBe('sk-rotated');
  });

  test('a value that a provider refuses is read anew at the next call, and the new one is in use at once', async () => {
    holds(KEY);
    expect(await source.find('openai')).toBe(KEY);
    clock.advance(10_000);
    holds('sk-rotated');
    source.refused('openai', KEY);
    expect(await source.find('openai')).toBe('sk-rotated');
    // A late refusal of the old value says nothing about the new one.
    clock.advance(10_000);
    source.refused('openai', KEY);
    source.refused('unheard-of', KEY);
    await source.find('openai');
    expect(responder.calls).toHaveLength(2);
  });

  test('a wrong key that every call is refused with is asked for once in ten seconds', async () => {
    holds(KEY);
    for (let second = 0; second <= 30; second += 1) {
      await source.find('openai');
      source.refused('openai', KEY);
      clock.advance(1_000);
    }
    expect(responder.calls).toHaveLength(4);
  });

  test('so it is while Secrets Manager does not answer', async () => {
    holds(KEY);
    await source.find('openai');
    responder.respond = () => wireError('InternalServiceError', 'down', 500);
    for (let second = 0; second < 30; second += 1) {
      clock.advance(1_000);
      source.refused('openai', KEY);
      expect(await source.find('openai')).toBe(KEY);
    }
    expect(responder.calls).toHaveLength(4);
  });

  test('a secret that is not there is undefined, and found half a minute after it was put there', async () => {
    responder.respond = () => wireError('ResourceNotFoundException');
    expect(await source.find('openai')).toBeUndefined();
    holds(KEY);
    expect(await source.find('openai')).toBeUndefined();
    clock.advance(30_000);
    expect(await source.find('openai')).toBe(KEY);
  });

  test('when Secrets Manager stops answering, the last value stays in use for an hour and that is said', async () => {
    holds(KEY);
    await source.find('openai');
    responder.respond = () => wireError('InternalServiceError', 'down', 500);
    clock.advance(300_000);
    expect(await source.find('openai')).toBe(KEY);
    expect(problems).toEqual([expect.stringContaining('tollgate/dev/openai')]);
    clock.advance(3_600_000);
    await expect(source.find('openai')).rejects.toMatchObject({ code: 'unusable_secret' });
  });

  test.each([
    ['empty', '  \n'],
    ['no JSON after all', `{${KEY}`],
    ['JSON without api_key', JSON.stringify({ key: KEY })],
    ['text that no header carries', `${KEY}\n${KEY}`],
  ])('a secret that is %s is an error that names it and never quotes it', async (_what, text) => {
    holds(text);
    const error: unknown = await source.find('openai').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'unusable_secret', message: expect.stringContaining('tollgate/dev/openai') });
    expect(String(error)).not.toContain(KEY);
    expect(JSON.stringify(error)).not.toContain(KEY);
    expect(problems).toEqual([expect.stringContaining('tollgate/dev/openai')]);
    expect(problems.join('')).not.toContain(KEY);
  });

  test('a refused permission names the secret and the reason', async () => {
    responder.respond = () => wireError('AccessDeniedException');
    await expect(source.find('openai')).rejects.toMatchObject({ message: expect.stringContaining('AccessDeniedException') });
  });
});
