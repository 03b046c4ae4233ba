/** A gateway for tests with real SDKs: a route for each thing that they call, and every refusal that must be sent once. */
import { parseUsd } from '../../lambdas/domain/money.ts';
import { GROUP, price, provider, route } from './gateway-fixture.ts';
import { type Live, live } from './live-gateway.ts';

/** What a client is made with. */
export interface Target {
  /** Ends in `/v1`. */
  readonly baseURL: string;
  readonly apiKey: string;
  readonly model: string;
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** The model that is asked for; absent: the usual one. */
  readonly model?: string;
  readonly apiKey?: string;
  readonly budgetUsedUp?: true;
}

/** Every status that no SDK may repeat. */
export const REFUSALS: readonly Refusal[] = [
  { status: 400, code: 'price_unknown', model: 'unpriced' },
  { status: 401, code: 'invalid_api_key', apiKey: 'tg_dev_wrong' },
  { status: 402, code: 'budget_exceeded', budgetUsedUp: true },
  { status: 403, code: 'model_not_allowed', model: 'frontier' },
  { status: 404, code: 'model_not_found', model: 'nope' },
];

/** Routes `economy` (chat and responses), `embeddings`, `unpriced`, and `frontier`, which the group may not call. */
export async function sdkGateway(): Promise<Live> {
  const at = await live();
  const [first] = at.providers;
  at.inForce.policy = {
    ...at.inForce.policy,
    consumerGroups: [{ ...GROUP, models: ['economy', 'embeddings', 'unpriced'] }],
    providers: [provider('first', first.baseUrl)],
    routes: [
      route('economy', ['first/small']),
      route('frontier', ['first/large']),
      route('embeddings', ['first/vectors']),
      route('unpriced', ['first/free']),
    ],
    prices: [price('first', 'small'), price('first', 'large'), { ...price('first', 'vectors', '0.02', '0'), inputOnly: true }],
  };
  return at;
}

/** Lets the gateway refuse a call, and says with what a client must be made to be refused so. */
export function arrange(at: Live, refusal: Refusal, model: string): Target {
  if (refusal.budgetUsedUp === true) {
    at.payments.onHold = () => ({
      ok: false,
      by: 'caller',
      refusal: {
        code: 'budget_exceeded',
        limitedBy: 'budget/dev/month',
        limitNanoUsd: parseUsd('500.00'),
        spentNanoUsd: parseUsd('499.12'),
        reservedNanoUsd: parseUsd('0.88'),
        requestedNanoUsd: parseUsd('0.02'),
        resetsAtEpochMs: Date.UTC(2026, 11, 1),
        owner: 'platform@example.com',
      },
    });
  }
  return { ...target(at, refusal.model ?? model), ...(refusal.apiKey === undefined ? {} : { apiKey: refusal.apiKey }) };
}

export function target(at: Live, model: string): Target {
  return { baseURL: `${at.server.url}/v1`, apiKey: at.key, model };
}

/** What a call is refused with; a call that is served fails the test. */
export async function failureOf(call: Promise<unknown>): Promise<unknown> {
  const outcome = await call.then(
    () => ({ served: true as const }),
    (error: unknown) => ({ served: false as const, error }),
  );
  if (outcome.served) throw new Error('the call was served');
  return outcome.error;
}

/** The numbers that an error has under any of these names. */
export function statusOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return Reflect.get(error, 'status') ?? Reflect.get(error, 'statusCode');
}
