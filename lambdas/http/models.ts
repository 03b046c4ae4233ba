/** `GET /v1/models` and one of them: the names that a key's group may call, from the policy. Each path has two shapes. */
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import { callableModels } from '../domain/routing.ts';
import { GatewayError } from './errors.ts';
import { type Answer, type RequestHeaders, jsonAnswer } from './messages.ts';

/** Below it stand the models by name. */
export const MODELS_PATH = '/v1/models';

/** The list in OpenAI's shape, or in Anthropic's when the caller sends `anthropic-version`. */
export function listModels(policy: Policy, group: ConsumerGroup, headers: RequestHeaders): Answer {
  const names = callableModels(policy, group);
  const data = names.map((name) => modelOf(name, headers));
  if (!isAnthropic(headers)) return jsonAnswer({ object: 'list', data });
  return jsonAnswer({ data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null });
}

/**
 * One model, in the same shapes.
 * @param encodedName as it stands in the path
 * @throws GatewayError 404 when the group may call none of that name
 */
export function getModel(policy: Policy, group: ConsumerGroup, headers: RequestHeaders, encodedName: string): Answer {
  const name = callableModels(policy, group).find((candidate) => candidate === decoded(encodedName));
  if (name === undefined) {
    const message = `Group ${group.name} may call no model of that name. GET ${MODELS_PATH} lists what it may call.`;
    throw new GatewayError({ status: 404, code: 'model_not_found', message, param: 'model' });
  }
  return jsonAnswer(modelOf(name, headers));
}

function modelOf(id: string, headers: RequestHeaders): object {
  if (isAnthropic(headers)) return { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' };
  return { id, object: 'model', created: 0, owned_by: 'tollgate' };
}

function isAnthropic(headers: RequestHeaders): boolean {
  return headers.has('anthropic-version');
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
