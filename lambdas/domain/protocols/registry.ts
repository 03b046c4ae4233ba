/** Every API that the gateway serves, every translation between two of them, and how a call reaches a provider. */
import type { Provider } from '../policy.ts';
import type { Api, ApiName, Translation } from './api.ts';
import { COUNT_TOKENS, MESSAGES } from './anthropic-messages.ts';
import { BEDROCK_MESSAGES } from './bedrock-messages.ts';
import { CHAT_COMPLETIONS } from './chat-completions.ts';
import { CHAT_TO_MESSAGES } from './chat-to-messages.ts';
import { EMBEDDINGS } from './embeddings.ts';
import { MESSAGES_TO_CHAT } from './messages-to-chat.ts';
import { RESPONSES } from './responses.ts';

/** In the order in which messages name them. The gateway serves these paths, and no other path reaches a provider. */
export const APIS: readonly Api[] = [CHAT_COMPLETIONS, RESPONSES, EMBEDDINGS, MESSAGES, COUNT_TOKENS];

const TRANSLATIONS: readonly Translation[] = [CHAT_TO_MESSAGES, MESSAGES_TO_CHAT];

/** How a call goes on to a provider: as it is, or translated. */
export interface Passage {
  /** What the provider serves. */
  readonly upstream: Api;
  readonly translation?: Translation;
}

/** The API of that name. @throws RangeError when the gateway has none */
export function getApi(name: ApiName): Api {
  const api = APIS.find((candidate) => candidate.name === name);
  if (api === undefined) throw new RangeError(`there is no API ${name}`);
  return api;
}

/** How a call of this API reaches that provider; undefined when it cannot. What the provider serves itself is never translated. */
export function findPassage(api: Api, provider: Endpoint): Passage | undefined {
  if (provider.apis.includes(api.name)) return { upstream: dialect(api, provider) };
  const translation = TRANSLATIONS.find(({ from, to }) => from === api.name && provider.apis.includes(to));
  return translation && { upstream: dialect(getApi(translation.to), provider), translation };
}

type Endpoint = Pick<Provider, 'apis' | 'protocol' | 'credential'>;

/** Whether an endpoint is Bedrock's InvokeModel, which has the Messages API in a form of its own. */
export function isBedrockInvoke({ protocol, credential }: Pick<Provider, 'protocol' | 'credential'>): boolean {
  return protocol === 'anthropic' && credential.kind === 'iam' && credential.service === 'bedrock';
}

function dialect(api: Api, provider: Endpoint): Api {
  return api.name === 'messages' && isBedrockInvoke(provider) ? BEDROCK_MESSAGES : api;
}
