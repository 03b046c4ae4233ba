/** Why money was not taken: the facts that a refusal tells its caller. */
import type { NanoUsd } from './money.ts';

export type MoneyRefusalCode =
  | 'insufficient_funds'
  | 'budget_exceeded'
  | 'request_too_expensive'
  | 'provider_budget_exceeded'
  | 'funds_reserved';

export interface MoneyRefusal {
  readonly code: MoneyRefusalCode;
  /** Scope of the pot that has no room: `budget/prod/month`. */
  readonly limitedBy: string;
  readonly limitNanoUsd: NanoUsd;
  readonly spentNanoUsd: NanoUsd;
  /** Holds of calls in flight. */
  readonly reservedNanoUsd: NanoUsd;
  readonly requestedNanoUsd: NanoUsd;
  /** Absent when it never resets (a wallet, a `total` budget). */
  readonly resetsAtEpochMs?: number;
  readonly owner?: string;
}
