/**
 * Each SDK, unchanged, against both local stages as `npm start` makes them of the shipped policies. What a refusal or an odd answer does to
 * an SDK is tested beside it in this folder; here is that the two stages serve all of them, and charge for it.
 */
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { ChatAnthropic } from '@langchain/anthropic';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { embed, generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { type Started, eventually, startTollgate, temporaryDirectory, tollgate } from '../../support/stages.ts';

const STAGES = ['dev', 'prod'] as const;
type Stage = (typeof STAGES)[number];

const PROMPT = 'Say something.';
const ASK = { messages: [{ role: 'user' as const, content: PROMPT }] };
const UNSTORED = { providerOptions: { openai: { store: false } } };

let started: Started;
let home: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ directory: home, remove } = await temporaryDirectory());
  started = await startTollgate({ home });
});
afterAll(async () => {
  await started?.end('SIGTERM');
  await remove?.();
});

/** Where a stage is, in both forms, and the key of its group. */
function at(stage: Stage): { readonly baseURL: string; readonly root: string; readonly apiKey: string } {
  const { baseUrl, openaiBaseUrl, keys } = started.ready.stages[stage];
  return { baseURL: openaiBaseUrl, root: baseUrl, apiKey: keys[stage] ?? '' };
}

async function joined(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

describe.each(STAGES)('on %s', (stage) => {
  test.each(['economy', 'frontier', 'claude'])('openai chats and streams with %s', async (model) => {
    const client = new OpenAI({ ...at(stage) });
    const answer = await client.chat.completions.create({ ...ASK, model });
    expect(answer.choices[0]?.message.content).toContain('simulated');
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...ASK, model, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(answer.choices[0]?.message.content);
  });

  test('openai gets responses, embeddings and models', async () => {
    const client = new OpenAI({ ...at(stage) });
    const ask = { model: 'economy', input: PROMPT, store: false };
    const response = await client.responses.create(ask);
    expect(response.output_text).toContain('simulated');
    let text = '';
    for await (const event of await client.responses.create({ ...ask, stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(text).toBe(response.output_text);
    const { data } = await client.embeddings.create({ model: 'embeddings', input: ['one text', 'another'] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([1536, 1536]);
    const names = [];
    for await (const { id } of client.models.list()) names.push(id);
    expect(names).toEqual(expect.arrayContaining(['economy', 'frontier', 'claude', 'embeddings']));
  });

  test('the AI SDK with its OpenAI and Anthropic providers', async () => {
    const { baseURL, apiKey } = at(stage);
    const openai = createOpenAI({ baseURL, apiKey });
    const models = [openai('economy'), openai.chat('frontier'), createAnthropic({ baseURL, apiKey })('claude')];
    for (const model of models) {
      const { text } = await generateText({ model, prompt: PROMPT, maxOutputTokens: 100, ...UNSTORED });
      expect(text).toContain('simulated');
      const streamed = streamText({ model, prompt: PROMPT, maxOutputTokens: 100, ...UNSTORED });
      expect(await joined(streamed.textStream)).toBe(text);
    }
    expect((await embed({ model: openai.embedding('embeddings'), value: PROMPT })).embedding).toHaveLength(1536);
  });

  test('LangChain with its OpenAI and Anthropic classes', async () => {
    const { baseURL, root, apiKey } = at(stage);
    const configuration = { baseURL };
    const models = [
      new ChatOpenAI({ model: 'economy', apiKey, configuration }),
      new ChatAnthropic({ model: 'claude', apiKey, anthropicApiUrl: root, maxTokens: 100 }),
    ];
    for (const model of models) {
      const { text } = await model.invoke(PROMPT);
      expect(text).toContain('simulated');
      let streamed = '';
      for await (const chunk of await model.stream(PROMPT)) streamed += chunk.text;
      expect(streamed).toBe(text);
    }
    const embeddings = new OpenAIEmbeddings({ model: 'embeddings', apiKey, configuration });
    expect(await embeddings.embedQuery(PROMPT)).toHaveLength(1536);
  });
});

/** Six chats, three calls of responses and embeddings, seven of the AI SDK and five of LangChain. */
const CALLS_OF_A_STAGE = 21;

test.each(STAGES)('the books of %s agree, and each call was paid', async (stage) => {
  const words = ['ledger', 'verify', '--stage', stage, '--json', '--local', '--home', home];
  // A call is settled beside its answer.
  const books = await eventually(
    async () => {
      const told = JSON.parse((await tollgate(words)).stdout) as Record<string, unknown>;
      return told['entries'] === CALLS_OF_A_STAGE && told['heldUsd'] === '0.00' ? told : undefined;
    },
    60_000,
    `${stage} has settled all its calls`,
  );
  expect(books['findings']).toEqual([]);
  expect(books['spentUsd']).toBe(books['entriesUsd']);
  expect(books['spentUsd']).not.toBe('0.00');
});
