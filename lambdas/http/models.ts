/** `GET /v1/models`: the names that a key's group may call, from the policy. One path, two shapes. */
import type { ConsumerGroup, Policy } from '../domain/policy.ts';
import { callableModels } from '../domain/routing.ts';
import { type Answer, type RequestHeaders, jsonAnswer } from './messages.ts';

/** The list in OpenAI's shape, or in Anthropic's when the caller sends `anthropic-version`. */
export function listModels(policy: Policy, group: ConsumerGroup, headers: RequestHeaders): Answer {
  const names = callableModels(policy, group);
  if (headers.has('anthropic-version')) {
    const data = names.map((id) => ({ type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' }));
    return jsonAnswer({ data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null });
  }
  return jsonAnswer({ object: 'list', data: names.map((id) => ({ id, object: 'model', created: 0, owned_by: 'tollgate' })) });
}
