/** What the gateway asks of the ledger: money before a call, the true cost after it, figures for people. */
import type { EntryDetail } from '../domain/entries.ts';
import type { NanoUsd } from '../domain/money.ts';
import type { ConsumerGroup, Policy, Target } from '../domain/policy.ts';
import type { Chain, Hold, LaneId } from '../domain/pots.ts';
import type { Price } from '../domain/prices.ts';
import type { MoneyRefusal } from '../domain/refusals.ts';

export interface PaymentRequest {
  readonly policy: Policy;
  readonly group: ConsumerGroup;
  /** `anonymous` when nobody is named. */
  readonly userId: string;
  /** Name of the route, after aliases. */
  readonly route: string;
  readonly target: Target;
  /** Pinned: the entry is priced by it however long the call lasts. */
  readonly price: Price;
  readonly boundNanoUsd: NanoUsd;
  /** Called when a hold made for this request is left to the keeper, who may charge it: until then nobody knows its end. */
  readonly onLeftToKeeper?: () => void;
}

/** Money taken for one send. Whoever has it must end it with `settle`, exactly once. */
export interface Held {
  readonly hid: string;
  readonly lane: LaneId;
  readonly hold: Hold;
  readonly chain: Chain;
  readonly request: PaymentRequest;
  readonly heldAtEpochMs: number;
}

export type HoldResult =
  | { readonly ok: true; readonly held: Held }
  /** `provider`: only the provider's budget stands in the way, so another target may do. */
  | { readonly ok: false; readonly refusal: MoneyRefusal; readonly by: 'caller' | 'provider' };

export interface Payments {
  /**
   * Takes the bound from a wallet and every budget above it, all or nothing.
   * @throws LedgerUnavailableError when the store does not answer: nothing may be sent
   */
  hold(request: PaymentRequest): Promise<HoldResult>;
  /**
   * Writes the entry and settles the hold. `actualNanoUsd` above the bound is charged as the bound, recorded as overage and alarmed. Bounded in
   * time; what it could not write is left to the keeper.
   */
  settle(held: Held, actualNanoUsd: NanoUsd, detail: EntryDetail): Promise<void>;
  /** Writes an entry of a request that nothing was sent or held for, at zero. Never rejects: what it could not write is logged. */
  record(detail: EntryDetail): Promise<void>;
  /** What stands over a caller, from a snapshot at most `maxAgeMs` old; undefined when the store does not answer. */
  statement(policy: Policy, group: ConsumerGroup, userId: string, maxAgeMs: number): Promise<Statement | undefined>;
  /**
   * The same without waiting: from a snapshot at most 60 s old, undefined when there is none. Reads anew beside the call
   * what grows old, so that the next one knows more.
   */
  peek(policy: Policy, group: ConsumerGroup, userId: string): Statement | undefined;
  /** Resolves when no settlement is under way. */
  idle(): Promise<void>;
}

/** The ledger did not answer: fail closed. */
export class LedgerUnavailableError extends Error {
  readonly code = 'ledger_unavailable';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LedgerUnavailableError';
  }
}

/** Figures of one pot, as people are shown them: idle escrow counts as left. */
export interface PotStatement {
  readonly scope: string;
  readonly kind: 'wallet' | 'limit';
  /** `life`, `hour`, `day`, `week`, `month`. */
  readonly window: string;
  /** A wallet's is all that was ever funded. */
  readonly limitNanoUsd: NanoUsd;
  readonly spentNanoUsd: NanoUsd;
  /** Of a wallet: spent at its last top-up, from which its percent counts. */
  readonly baseNanoUsd?: NanoUsd;
  readonly heldNanoUsd: NanoUsd;
  readonly leftNanoUsd: NanoUsd;
  /** false: it never refuses. */
  readonly hard: boolean;
  readonly resetsAtEpochMs?: number;
}

export interface Statement {
  readonly wallets: readonly PotStatement[];
  readonly budgets: readonly PotStatement[];
  readonly atEpochMs: number;
}
