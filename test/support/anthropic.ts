/** What tests of Anthropic's protocol share. */
import { parseUsd } from '../../lambdas/domain/money.ts';
import type { MoneyRefusal } from '../../lambdas/domain/refusals.ts';
import { type Live, type LiveOptions, live } from './live-gateway.ts';

/** A gateway before providers that speak Anthropic's protocol; routes and models as in `live`. */
export function liveAnthropic(options: LiveOptions = {}): Promise<Live> {
  return live({ ...options, provider: { protocol: 'anthropic', apis: ['messages', 'count_tokens'], ...options.provider } });
}

/** A used-up budget. */
export const USED_UP: MoneyRefusal = {
  code: 'budget_exceeded',
  limitedBy: 'budget/dev/month',
  limitNanoUsd: parseUsd('500.00'),
  spentNanoUsd: parseUsd('499.12'),
  reservedNanoUsd: parseUsd('0.88'),
  requestedNanoUsd: parseUsd('0.02'),
  resetsAtEpochMs: Date.UTC(2026, 11, 1),
};

/** How a call ended that must fail. */
export async function failureOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('the call succeeded');
}
