/** A `Payments` that takes every hold (or what a test tells it to answer) and records holds and settlements. */
import type { Held, HoldResult, PaymentRequest, Payments, Statement } from '../../lambdas/application/payments.ts';
import type { EntryDetail } from '../../lambdas/domain/entries.ts';
import type { NanoUsd } from '../../lambdas/domain/money.ts';
import { type Pot } from '../../lambdas/domain/pots.ts';
import { LIFE } from '../../lambdas/domain/windows.ts';

export interface Settlement {
  readonly hid: string;
  readonly actualNanoUsd: NanoUsd;
  readonly detail: EntryDetail;
  readonly boundNanoUsd: NanoUsd;
}

export class FakePayments implements Payments {
  readonly holds: PaymentRequest[] = [];
  readonly settlements: Settlement[] = [];
  /** Answers a hold instead of granting it. May throw. */
  onHold: (request: PaymentRequest) => HoldResult | undefined = () => undefined;
  onStatement: () => Promise<Statement | undefined> = () => Promise.resolve(undefined);
  /** Everything that happened, in order. */
  readonly events: string[] = [];
  private watchers: (() => void)[] = [];

  /** How long a hold takes. */
  holdDelayMs = 0;

  async hold(request: PaymentRequest): Promise<HoldResult> {
    if (this.holdDelayMs === 0) await Promise.resolve();
    else await new Promise((resolve) => setTimeout(resolve, this.holdDelayMs));
    this.events.push('hold');
    const answer = this.onHold(request);
    if (answer !== undefined) return answer;
    this.holds.push(request);
    return { ok: true, held: held(`h-${this.holds.length}`, request) };
  }

  /** A settlement comes after the answer: a test that does not wait for it should fail on every machine, not on a fast one. */
  settleDelayMs = 20;

  async settle(given: Held, actualNanoUsd: NanoUsd, detail: EntryDetail): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.settleDelayMs));
    this.events.push('settle');
    this.settlements.push({ hid: given.hid, actualNanoUsd, detail, boundNanoUsd: given.request.boundNanoUsd });
    for (const watcher of this.watchers.splice(0)) watcher();
  }

  /** Entries of zero, without a hold. */
  readonly recorded: EntryDetail[] = [];

  record(detail: EntryDetail): Promise<void> {
    this.recorded.push(detail);
    return Promise.resolve();
  }

  statement(): Promise<Statement | undefined> {
    this.events.push('statement');
    return this.onStatement();
  }

  /** What a routing rule sees. */
  onPeek: () => Statement | undefined = () => undefined;

  peek(): Statement | undefined {
    this.events.push('peek');
    return this.onPeek();
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }

  /** Resolves when so many settlements are recorded. */
  async settled(count: number): Promise<void> {
    while (this.settlements.length < count) await new Promise<void>((resolve) => this.watchers.push(resolve));
  }
}

function held(hid: string, request: PaymentRequest): Held {
  const wallet: Pot = {
    key: 'wallet/team#life',
    scope: 'wallet/team',
    kind: 'wallet',
    owner: 'wallet',
    enforced: true,
    thresholds: [],
    window: LIFE,
  };
  return {
    hid,
    lane: { chainHash: 'hash', n: 0 },
    hold: { estimateNanoUsd: request.boundNanoUsd, direct: [] },
    chain: {
      hash: 'hash',
      line: 'line',
      wallet,
      limits: [],
      direct: [],
      walletId: 'team',
      groupId: request.group.name,
      providerId: request.target.provider,
      userId: request.userId,
    },
    request,
    heldAtEpochMs: 0,
  };
}
