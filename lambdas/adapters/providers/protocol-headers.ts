/** The headers in which the protocols differ: how the credential is presented, and which of the caller's go on. */
import type { Provider } from '../../domain/policy.ts';
import { isBedrockInvoke } from '../../domain/protocols/registry.ts';

/** Of Anthropic's API, for callers who name none: whoever calls it through another protocol. */
const DEFAULT_ANTHROPIC_VERSION = '2023-06-01';

type Headers = Readonly<Record<string, string>>;

/**
 * @param asked what goes on of the caller's headers
 * @param secret the provider's key; absent: it needs none, or signed requests
 */
export function protocolHeaders(provider: Pick<Provider, 'protocol' | 'credential'>, asked: Headers, secret?: string): Headers {
  // There `accept` means the form of the model's own answer, which has one.
  if (isBedrockInvoke(provider)) return { accept: 'application/json' };
  if (provider.protocol === 'anthropic')
    return {
      'anthropic-version': DEFAULT_ANTHROPIC_VERSION,
      ...asked,
      ...(secret === undefined ? {} : { 'x-api-key': secret }),
    };
  const own = Object.entries(asked).filter(([name]) => !name.startsWith('anthropic-'));
  return { ...Object.fromEntries(own), ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }) };
}
