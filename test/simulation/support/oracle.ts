/**
 * The checker. It knows what was asked for and what the store carried out, and compares both with the items: while
 * the run goes on, and once more when the network has healed and the keeper has been round.
 */
import { type Alert, type Level, isCrossed, levelOf, markerName } from '../../../lambdas/domain/alerts.ts';
import { potOfKey } from '../../../lambdas/domain/chains.ts';
import { type Entry, type EntryStatus, holdExpiryEpochSeconds } from '../../../lambdas/domain/entries.ts';
import type { Policy } from '../../../lambdas/domain/policy.ts';
import { type LaneState, type Pot, type PotKey, type PotState, heldNanoUsd } from '../../../lambdas/domain/pots.ts';
import type { Held } from '../../../lambdas/application/payments.ts';
import type { LateRequest, ReserveOutcome, ReserveRequest } from '../../../lambdas/application/ports.ts';
import type { Engine } from './engine.ts';
import type { Items } from './items.ts';
import type { SimulatedProcess } from './process.ts';

/** A broken invariant: what, and which items, calls and lanes it is about. */
export interface Violation {
  readonly message: string;
  readonly subjects: readonly string[];
}

interface KnownHold {
  readonly estimate: bigint;
  /** The caller was told that it has the money. */
  told: boolean;
  /** What settle was called with. */
  actual?: bigint;
  /** Settle came back in a process that lived, and did not report that it left it to the keeper. */
  settled: boolean;
  leftToKeeper: boolean;
}

interface PolicyInForce {
  readonly policy: Policy;
  /** No process goes by it later than this. */
  retiredAt: number;
  /** Its pots by key, since reading a key costs a calendar. */
  readonly pots: Map<PotKey, Pot | undefined>;
}

/** Longest time that a message may go by a policy after another one came: caches, skew, long calls, very late messages. */
const LINGER_MS = 1_500_000;

export class Oracle {
  readonly published = new Map<string, number>();
  violation: Violation | undefined;
  private readonly holds = new Map<string, KnownHold>();
  private readonly statuses = new Map<string, EntryStatus>();
  /** Reserves without an answer, for which nobody has tried to write a VOID entry yet. */
  private readonly unanswered = new Map<string, SimulatedProcess>();
  /** Whoever sent a reserve and never heard of it. */
  private readonly inDoubt = new Map<string, SimulatedProcess>();
  private readonly policies: PolicyInForce[] = [];
  private readonly hardLimits = new Map<PotKey, bigint | undefined>();
  private readonly engine: Engine;
  private readonly items: () => Items;

  constructor(engine: Engine, items: () => Items) {
    this.engine = engine;
    this.items = items;
  }

  fail(message: string, ...subjects: readonly string[]): void {
    this.violation ??= { message, subjects };
  }

  policyChanged(policy: Policy): void {
    const before = this.policies.at(-1);
    if (before !== undefined) before.retiredAt = this.engine.now + LINGER_MS;
    this.policies.push({ policy, retiredAt: Number.POSITIVE_INFINITY, pots: new Map() });
    this.hardLimits.clear();
  }

  carriedOut(operation: string, args: readonly unknown[], outcome: unknown): void {
    if (outcome instanceof RangeError) this.fail(`${operation} was called wrongly: ${outcome.message}`);
    this.followEntry(operation, args, outcome);
    if (operation === 'expire' && outcome === true) this.expired(args);
    if (operation !== 'reserve') return;
    const [request] = args as readonly [ReserveRequest];
    if (!(outcome as ReserveOutcome).ok) return;
    if (this.holds.has(request.hid)) this.fail('a hold id was used for two reserves', request.hid);
    this.holds.set(request.hid, { estimate: request.estimateNanoUsd, told: false, settled: false, leftToKeeper: false });
  }

  /** An entry is written once; only what the keeper guessed may be corrected, once, by a late outcome. */
  private followEntry(operation: string, args: readonly unknown[], outcome: unknown): void {
    const step = entryStep(operation, args, outcome);
    if (step === undefined) return;
    const before = this.statuses.get(step.hid);
    const isCorrection = step.status === 'LATE' || step.status === 'LOST';
    const isLegal = isCorrection ? before === 'RELEASED' || before === 'ESTIMATED' : before === undefined;
    if (!isLegal) this.fail(`an entry went from ${before ?? 'nothing'} to ${step.status}`, step.hid);
    this.statuses.set(step.hid, step.status);
  }

  /** By the keeper's own clock, which may be wrong, the hold must have run out. */
  private expired(args: readonly unknown[]): void {
    const entry = args[2] as Entry;
    const expiresAt = holdExpiryEpochSeconds(entry.hid) * 1_000;
    if (entry.atEpochMs < expiresAt) this.fail('a hold was ended before its expiry', entry.hid);
  }

  /** A call was sent, whatever becomes of it. */
  sent(operation: string, args: readonly unknown[]): void {
    if (operation === 'putEntry') this.unanswered.delete((args[0] as Entry).hid);
  }

  /** The sender does not know what became of a call. */
  unknown(operation: string, args: readonly unknown[], process: SimulatedProcess): void {
    if (operation !== 'reserve') return;
    const { hid } = args[0] as ReserveRequest;
    this.unanswered.set(hid, process);
    this.inDoubt.set(hid, process);
  }

  held(held: Held): void {
    const hold = this.holds.get(held.hid);
    if (hold === undefined) return this.fail('a call was let through without a hold', held.hid);
    hold.told = true;
  }

  settling(hid: string, actual: bigint): void {
    const hold = this.holds.get(hid);
    if (hold !== undefined) hold.actual = actual;
  }

  settled(hid: string): void {
    const hold = this.holds.get(hid);
    if (hold !== undefined) hold.settled = !hold.leftToKeeper;
  }

  leftToKeeper(hid: string): void {
    const hold = this.holds.get(hid);
    if (hold !== undefined) hold.leftToKeeper = true;
  }

  publishedAlert(alert: Alert): void {
    this.published.set(alert.alertId, (this.published.get(alert.alertId) ?? 0) + 1);
  }

  /** What must hold at every moment. */
  check(): void {
    const { pots, lanes } = this.items();
    const escrow = new Map<PotKey, bigint>();
    const add = (key: PotKey, amount: bigint): void => void escrow.set(key, (escrow.get(key) ?? 0n) + amount);
    for (const [name, lane] of lanes) {
      this.checkLane(name, lane);
      for (const key of lane.chain) add(key, lane.escrowNanoUsd);
      for (const hold of lane.holds.values()) for (const key of hold.direct) add(key, hold.estimateNanoUsd);
    }
    // A lane without money may be there before its pots are: it watches the alert of a user's pot.
    for (const [key, amount] of escrow) {
      if (amount !== 0n && !pots.has(key)) this.fail('money lies in a lane of a pot that does not exist', key);
    }
    for (const [key, pot] of pots) this.checkPot(key, pot, escrow.get(key) ?? 0n);
  }

  private checkLane(name: string, lane: LaneState): void {
    const sum = lane.idleNanoUsd + heldNanoUsd(lane) + lane.unflushedNanoUsd;
    if (lane.escrowNanoUsd !== sum) this.fail(`lane: escrow ${lane.escrowNanoUsd} is not idle + holds + unflushed ${sum}`, name);
    if (lane.idleNanoUsd < 0n) this.fail(`lane: idle is ${lane.idleNanoUsd}`, name);
    if (lane.unflushedNanoUsd < 0n) this.fail(`lane: unflushed is ${lane.unflushedNanoUsd}`, name);
    if (lane.holds.size > 16) this.fail(`lane: ${lane.holds.size} holds`, name);
    if (lane.walletId === '' || lane.groupId === '' || lane.providerId === '') this.fail('lane: in no index', name);
  }

  private checkPot(key: PotKey, pot: PotState, escrow: bigint): void {
    if (pot.kind === 'wallet') {
      const sum = pot.availableNanoUsd + pot.settledNanoUsd + escrow;
      if (pot.fundedNanoUsd !== sum)
        this.fail(`wallet: funded ${pot.fundedNanoUsd} is not available + settled + escrow ${sum}`, key);
      if (pot.availableNanoUsd < 0n) this.fail(`wallet: available is ${pot.availableNanoUsd}`, key);
      return;
    }
    const sum = pot.settledNanoUsd + escrow;
    if (pot.committedNanoUsd !== sum) this.fail(`limit: committed ${pot.committedNanoUsd} is not settled + escrow ${sum}`, key);
    const hard = this.hardLimit(key);
    if (hard !== undefined && pot.committedNanoUsd > hard) {
      this.fail(`limit: committed ${pot.committedNanoUsd} is over the largest limit of its window, ${hard}`, key);
    }
  }

  /** The largest hard limit in force since the pot's window began; undefined when it was soft or is no policy's. */
  private hardLimit(key: PotKey): bigint | undefined {
    if (this.hardLimits.has(key)) return this.hardLimits.get(key);
    let largest: bigint | undefined;
    for (const { policy, retiredAt, pots } of this.policies) {
      if (!pots.has(key)) pots.set(key, potOfKey(policy, key));
      const pot = pots.get(key);
      if (pot === undefined || retiredAt < pot.window.startsAtEpochMs) continue;
      if (pot.hardLimitNanoUsd === undefined) {
        largest = undefined;
        break;
      }
      if (largest === undefined || pot.hardLimitNanoUsd > largest) largest = pot.hardLimitNanoUsd;
    }
    this.hardLimits.set(key, largest);
    return largest;
  }

  /**
   * The keeper does not come back to a refusal's alert of a past window without lanes. To one of a user's pot it does, through
   * the lane's watch list, unless the pot has left the policy meanwhile.
   */
  private mustBeTold(name: string, pot: Pot, level: Level, isPast: boolean, limitsChanged: boolean): boolean {
    const threshold = pot.thresholds.find(({ percent }) => markerName(percent, level) === name);
    if (threshold === undefined) return false;
    const isRevisited = pot.owner === 'user' ? !limitsChanged : !isPast;
    return isRevisited || (!limitsChanged && isCrossed(threshold.percent, level));
  }

  /** What must hold once nothing moves any more. */
  reconcile(): void {
    this.check();
    const { lanes, entries } = this.items();
    for (const [name, lane] of lanes) {
      this.fail(
        `stranded: ${lane.escrowNanoUsd} in a lane after the keeper (${lane.holds.size} holds)`,
        name,
        ...lane.holds.keys(),
      );
    }
    for (const [hid, hold] of this.holds) this.checkOutcome(hid, hold, entries.get(hid));
    for (const [hid, process] of this.unanswered) {
      if (process.alive) this.fail('a reserve without an answer was not declared void', hid);
    }
    for (const [hid, process] of this.inDoubt) {
      const charge = entries.get(hid)?.chargeNanoUsd ?? 0n;
      if (process.alive && charge > 0n) this.fail(`a hold that nobody was given cost ${charge}`, hid);
    }
    for (const [hid, entry] of entries) {
      if (this.holds.has(hid) || entry.status === 'VOID') continue;
      this.fail(`an entry ${entry.status} of ${entry.chargeNanoUsd} for a hold that never stood`, hid);
    }
  }

  private checkOutcome(hid: string, hold: KnownHold, entry: Entry | undefined): void {
    if (entry === undefined) return this.fail('a hold ended without an entry', hid);
    const { status, chargeNanoUsd: charge, lossNanoUsd: loss } = entry;
    const wrong = (why: string): void => this.fail(`entry ${status}, charge ${charge}, loss ${loss}: ${why}`, hid);
    if (charge > hold.estimate || charge < 0n) return wrong(`the hold was ${hold.estimate}`);
    if (status === 'RELEASED' && charge !== 0n) return wrong('a released hold costs nothing');
    if (status === 'ESTIMATED' && charge !== hold.estimate) return wrong(`the estimate was ${hold.estimate}`);
    if (status === 'VOID') {
      if (hold.told) wrong('the call was let through, so it is not void');
      if (charge !== 0n) wrong('a void hold costs nothing');
      return;
    }
    if (status === 'RELEASED' || status === 'ESTIMATED') {
      if (hold.settled) wrong('its settlement was acknowledged');
      return;
    }
    // A void that came after the keeper's guess.
    if (status === 'LATE' && !hold.told && charge === 0n && loss === 0n) return;
    if (hold.actual === undefined) return wrong('nobody settled it');
    const due = hold.actual < hold.estimate ? hold.actual : hold.estimate;
    if (status !== 'LOST' && charge !== due) return wrong(`${due} was due`);
    if (charge + loss !== hold.actual) return wrong(`charge and loss are not the cost ${hold.actual}`);
  }

  /**
   * Alerts, once all has been told.
   * @param limitsChanged then a percent may have been passed over in silence, and a past window has other limits
   */
  checkAlerts(policy: Policy, limitsChanged: boolean, mergedIds: ReadonlySet<string>): void {
    for (const [key, state] of this.items().pots) {
      const pot = potOfKey(policy, key);
      if (pot === undefined || pot.thresholds.length === 0) continue;
      const isPast = pot.window.endsAtEpochMs < this.engine.now;
      const level = levelOf(pot, state);
      for (const [name, marker] of Object.entries(state.alerts)) {
        if (marker.status === 'PENDING' && this.mustBeTold(name, pot, level, isPast, limitsChanged)) {
          this.fail(`alert ${name} is still to be sent`, key);
        }
        const alertId = `${key}:${name}`;
        if (!limitsChanged && marker.status === 'SENT' && !this.published.has(alertId) && !mergedIds.has(alertId)) {
          this.fail(`alert ${name} is marked as sent and was not`, key);
        }
      }
      // A changed limit of a user's pot is noticed with the user's next call.
      if ((isPast || pot.owner === 'user') && limitsChanged) continue;
      for (const { percent } of pot.thresholds) {
        if (isCrossed(percent, level) && state.alerts[markerName(percent, level)] === undefined) {
          this.fail(`${percent} % is crossed (${level.spentNanoUsd} of ${level.limitNanoUsd}) and nobody was told`, key);
        }
      }
    }
    for (const alertId of this.published.keys()) {
      const mark = alertId.lastIndexOf(':');
      const state = this.items().pots.get(alertId.slice(0, mark));
      if (alertId.startsWith('overage/')) continue;
      if (state?.alerts[alertId.slice(mark + 1)] === undefined)
        this.fail('an alert was told without its marker', alertId.slice(0, mark));
    }
  }
}

/** What an operation made of an entry; undefined when it wrote none. */
function entryStep(operation: string, args: readonly unknown[], outcome: unknown): Pick<Entry, 'hid' | 'status'> | undefined {
  const ok = outcome === true || (typeof outcome === 'object' && outcome !== null && 'ok' in outcome && outcome.ok === true);
  if (!ok) return undefined;
  if (operation === 'putEntry') return args[0] as Entry;
  if (operation === 'expire') return args[2] as Entry;
  if (operation === 'late') return { hid: (args[0] as LateRequest).hid, status: 'LATE' };
  return operation === 'lose' ? { hid: args[0] as string, status: 'LOST' } : undefined;
}
