/** Frameworks that call Anthropic's protocol with `x-api-key`, unchanged, with their default retries. */
import { createAnthropic } from '@ai-sdk/anthropic';
import { ChatAnthropic } from '@langchain/anthropic';
import { generateText, streamText } from 'ai';
import { USED_UP, failureOf, liveAnthropic } from '../../support/anthropic.ts';
import type { Live } from '../../support/live-gateway.ts';

let at: Live;
beforeEach(async () => {
  at = await liveAnthropic();
});
afterEach(async () => {
  await at.stop();
});

describe('the AI SDK', () => {
  const model = (name = 'economy', apiKey = at.key) => createAnthropic({ baseURL: `${at.server.url}/v1`, apiKey })(name);

  test('gets an answer, whole and streamed', async () => {
    const whole = await generateText({ model: model(), prompt: 'Say something.' });
    expect(whole.text).toContain('simulated');
    const streamed = streamText({ model: model(), prompt: 'Say something.' });
    let text = '';
    for await (const piece of streamed.textStream) text += piece;
    expect(text).toBe(whole.text);
    await at.payments.settled(2);
    for (const { detail } of at.payments.settlements)
      expect(detail).toMatchObject({ outcome: 'ok', usage: { outputTokens: 24 } });
    expect(at.providers[0].seen[0]?.headers['x-api-key']).toBeUndefined();
  });

  test.each([
    ['401', 'economy', 'tg_dev_wrong'],
    ['403', 'frontier', undefined],
    ['404', 'nobody', undefined],
  ])('sends a call refused with %s once', async (status, name, key) => {
    const failure = await failureOf(generateText({ model: model(name, key), prompt: 'x' }));
    expect(failure).toMatchObject({ statusCode: Number(status) });
    expect(at.received).toEqual(['POST /v1/messages']);
  });

  test('sends a call refused with 400 or 402 once', async () => {
    const options = { anthropic: { thinking: { type: 'enabled' as const, budgetTokens: 5_000 } } };
    const tooMuch = generateText({ model: model(), prompt: 'x', providerOptions: options });
    expect(await failureOf(tooMuch)).toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('thinking.budget_tokens'),
    });
    at.payments.onHold = () => ({ ok: false, by: 'caller', refusal: USED_UP });
    expect(await failureOf(generateText({ model: model(), prompt: 'x' }))).toMatchObject({ statusCode: 402 });
    expect(at.received).toHaveLength(2);
  });
});

describe('LangChain', () => {
  const model = (name = 'economy', apiKey = at.key) =>
    new ChatAnthropic({ model: name, apiKey, anthropicApiUrl: at.server.url, maxTokens: 100 });

  test('gets an answer, whole and streamed', async () => {
    const whole = await model().invoke('Say something.');
    expect(whole.text).toContain('simulated');
    let text = '';
    for await (const piece of await model().stream('Say something.')) text += piece.text;
    expect(text).toBe(whole.text);
    await at.payments.settled(2);
    for (const { detail } of at.payments.settlements)
      expect(detail).toMatchObject({ outcome: 'ok', usage: { outputTokens: 24 } });
  });

  test.each([
    ['401', 'economy', 'tg_dev_wrong'],
    ['403', 'frontier', undefined],
    ['404', 'nobody', undefined],
  ])('sends a call refused with %s once', async (status, name, key) => {
    const failure = await failureOf(model(name, key).invoke('x'));
    expect(failure).toMatchObject({ status: Number(status) });
    expect(at.received).toEqual(['POST /v1/messages']);
  });

  test('sends a call refused with 400 or 402 once', async () => {
    expect(
      await failureOf(model().invoke('x', { mcp_servers: [{ type: 'url', name: 'm', url: 'https://mcp.example.com' }] })),
    ).toMatchObject({ status: 400 });
    at.payments.onHold = () => ({ ok: false, by: 'caller', refusal: USED_UP });
    expect(await failureOf(model().invoke('x'))).toMatchObject({ status: 402 });
    expect(at.received).toHaveLength(2);
  });
});
