/** The targets of a route that can serve a call: each with its price, its bound and the request as it would be sent there. */
import { estimate, outputCapTokens } from '../domain/estimate.ts';
import type { FieldProblem } from '../domain/field-checks.ts';
import type { Forwarding } from '../domain/forwarded-request.ts';
import { applyEdits, byteGrowth } from '../domain/json-edits.ts';
import type { Provider, Route } from '../domain/policy.ts';
import { findPrice } from '../domain/prices.ts';
import type { Api, RequestFields } from '../domain/protocols/api.ts';
import { type Passage, findPassage } from '../domain/protocols/registry.ts';
import { printable } from '../domain/field-checks.ts';
import type { PricedTarget } from './attempt.ts';
import type { CallRequest } from './complete-call.ts';
import { type ReadRequest, translateRequest } from './translated-request.ts';

export interface PricedTargets {
  /** In the policy's order. */
  readonly priced: readonly PricedTarget[];
  /** Why the first of the others cannot serve this request, where it is about the request. */
  readonly problem?: FieldProblem;
}

const encoder = new TextEncoder();

/** Prices a call on every target of its route. One that has no price, or cannot serve it, is left out. */
export function priceTargets(request: CallRequest, route: Route, nowEpochMs: number): PricedTargets {
  const { policy, api, fields } = request;
  const priced: PricedTarget[] = [];
  let problem: FieldProblem | undefined;
  for (const target of route.targets) {
    const provider = policy.providers.find((candidate) => candidate.name === target.provider);
    const price = findPrice(policy.prices, target.provider, target.model, nowEpochMs);
    if (provider === undefined || price === undefined) continue;
    const passage = findPassage(api, provider);
    if (price.inputOnly === true && passage?.upstream.costs === 'output') {
      problem ??= generatesNothing(fields);
      continue;
    }
    const read = passage === undefined ? unserved(api, fields) : translateRequest(passage, request);
    if (!read.ok || passage === undefined) {
      problem ??= read.ok ? undefined : read.problem;
      continue;
    }
    const short = tooLittleOutput(request, read.request.fields);
    if (short === undefined) priced.push(pricedTarget(request, passage, read.request, provider, target, price));
    else problem ??= short;
  }
  return { priced, problem };
}

function pricedTarget(
  request: CallRequest,
  { upstream, translation }: Passage,
  { text, bytes, fields }: ReadRequest,
  provider: Provider,
  target: Route['targets'][number],
  price: PricedTarget['price'],
): PricedTarget {
  const cap = upstream.costs === 'output' ? outputCapTokens(fields.requestedOutputTokens, request.group.maxOutputTokens) : 0;
  const forwarding: Forwarding = {
    model: target.model,
    outputCapField: provider.outputCapField,
    outputCapTokens: cap,
    headers: request.headers,
  };
  const edits = upstream.forwardEdits(text, fields, forwarding);
  const bound =
    upstream.costs === 'free'
      ? { inputTokens: 0, outputTokens: 0, nanoUsd: 0n }
      : estimate(
          price,
          bytes.length + byteGrowth(text.text, edits),
          cap,
          fields.answers,
          fields.mediaTokens,
          fields.mediaBytes,
          fields.cacheWrites,
        );
  return {
    target,
    provider,
    price,
    bound,
    boundNanoUsd: bound.nanoUsd,
    upstream,
    translation,
    path: upstream.upstreamPath(forwarding, fields.stream),
    body: () => (edits.length === 0 ? bytes : encoder.encode(applyEdits(text.text, edits))),
  };
}

function generatesNothing({ model }: RequestFields): FieldProblem {
  return { param: 'model', message: `'${printable(model)}' embeds: it has no price for generated text. Use /v1/embeddings` };
}

/** A request that needs more output than its group may have would be refused by the provider, in words about another number. */
function tooLittleOutput({ group }: CallRequest, fields: RequestFields): FieldProblem | undefined {
  const cap = outputCapTokens(fields.requestedOutputTokens, group.maxOutputTokens);
  if (fields.leastOutputTokens === undefined || cap >= fields.leastOutputTokens) return undefined;
  const message = `thinking.budget_tokens must be less than the output cap, and an answer of group ${group.name} may have ${cap} tokens: ask for less, or leave thinking out`;
  return { param: 'thinking.budget_tokens', message };
}

function unserved(api: Api, fields: RequestFields): { readonly ok: false; readonly problem: FieldProblem } {
  const message = `No provider of '${printable(fields.model)}' serves ${api.path}, and it cannot be translated for one`;
  return { ok: false, problem: { param: 'model', message } };
}
