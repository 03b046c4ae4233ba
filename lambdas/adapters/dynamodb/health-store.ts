/** The health of targets on DynamoDB: one item of a few hundred bytes a target, in the stage's table, gone a day after its last write. */
import { HEALTH_KEPT_SECONDS, type HealthStore } from '../../application/ports-health.ts';
import { HEALTHY, type TargetHealth, type TargetName } from '../../domain/health.ts';
import type { PlainItem } from './attribute-values.ts';
import { ItemReader } from './item-reader.ts';
import { LedgerTable, type LedgerTableOptions, type WriteOutcome } from './ledger-table.ts';
import type { ItemKey } from './table.ts';

const HEALTH_PREFIX = 'HEALTH#';

/** The health store of a stage, in the ledger's table. */
export class DynamoHealthStore implements HealthStore {
  private readonly table: LedgerTable;

  constructor(options: LedgerTableOptions) {
    this.table = new LedgerTable(options);
  }

  /** Strongly consistent: what this process has just written must not be taken back by an older copy. */
  async readHealth(targets: readonly TargetName[]): Promise<ReadonlyMap<TargetName, TargetHealth>> {
    const items = await this.table.batchGet('readHealth', targets.map(itemKey), true);
    return new Map(items.map((item) => [new ItemReader(item).pk.slice(HEALTH_PREFIX.length), readHealth(item)]));
  }

  async addFailure(target: TargetName, nowEpochMs: number): Promise<TargetHealth> {
    const change = { update: ['ADD #f :one', 'SET #ttl = :ttl'], values: { one: 1, ttl: expiry(nowEpochMs) } };
    return healthAfter(await this.table.update('addFailure', itemKey(target), change));
  }

  async cool(target: TargetName, untilEpochMs: number, nowEpochMs: number): Promise<TargetHealth> {
    const outcome = await this.table.update('cool', itemKey(target), {
      update: ['SET #o = :now, #c = :until, #ttl = :ttl', 'REMOVE #p'],
      condition: 'attribute_not_exists(#c) OR #c < :until',
      values: { now: nowEpochMs, until: untilEpochMs, ttl: expiry(nowEpochMs) },
    });
    return healthAfter(outcome);
  }

  async takeProbe(
    target: TargetName,
    untilEpochMs: number,
    nowEpochMs: number,
  ): Promise<{ readonly taken: boolean; readonly health: TargetHealth }> {
    const outcome = await this.table.update('takeProbe', itemKey(target), {
      update: ['SET #p = :until, #ttl = :ttl'],
      condition: '#c <= :now AND (attribute_not_exists(#p) OR #p <= :now)',
      values: { now: nowEpochMs, until: untilEpochMs, ttl: expiry(nowEpochMs) },
    });
    return { taken: outcome.ok, health: healthAfter(outcome) };
  }

  async dropProbe(target: TargetName, untilEpochMs: number, nowEpochMs: number): Promise<TargetHealth> {
    const outcome = await this.table.update('dropProbe', itemKey(target), {
      update: ['SET #ttl = :ttl', 'REMOVE #p'],
      condition: '#p = :until',
      values: { until: untilEpochMs, ttl: expiry(nowEpochMs) },
    });
    return healthAfter(outcome);
  }

  async recover(target: TargetName, sentAtEpochMs: number, nowEpochMs: number): Promise<TargetHealth> {
    const outcome = await this.table.update('recover', itemKey(target), {
      update: ['SET #ttl = :ttl', 'REMOVE #f, #o, #c, #p'],
      condition: 'attribute_not_exists(#o) OR #o < :sent',
      values: { sent: sentAtEpochMs, ttl: expiry(nowEpochMs) },
    });
    return healthAfter(outcome);
  }

  async keepLatency(
    target: TargetName,
    latencyMs: number,
    seenEpochMs: number | undefined,
    nowEpochMs: number,
  ): Promise<TargetHealth> {
    const seen = seenEpochMs === undefined ? {} : { seen: seenEpochMs };
    const outcome = await this.table.update('keepLatency', itemKey(target), {
      update: ['SET #l = :latency, #lt = :now, #ttl = :ttl'],
      condition: seenEpochMs === undefined ? 'attribute_not_exists(#lt)' : '#lt = :seen',
      values: { latency: latencyMs, now: nowEpochMs, ttl: expiry(nowEpochMs), ...seen },
    });
    return healthAfter(outcome);
  }
}

function itemKey(target: TargetName): ItemKey {
  return { pk: `${HEALTH_PREFIX}${target}`, sk: '-' };
}

function expiry(nowEpochMs: number): number {
  return Math.ceil(nowEpochMs / 1_000) + HEALTH_KEPT_SECONDS;
}

/** As it stands now, whether the write was applied or not. */
function healthAfter({ item }: WriteOutcome): TargetHealth {
  return item === undefined ? HEALTHY : readHealth(item);
}

/** @throws DamagedItemError when the item is no health */
function readHealth(item: PlainItem): TargetHealth {
  const reader = new ItemReader(item);
  const health: { [K in keyof TargetHealth]: TargetHealth[K] } = {
    failures: reader.optionalInteger('f') ?? 0,
    openedEpochMs: reader.optionalInteger('o'),
    coolUntilEpochMs: reader.optionalInteger('c'),
    probeUntilEpochMs: reader.optionalInteger('p'),
    latencyMs: reader.optionalInteger('l'),
    latencyEpochMs: reader.optionalInteger('lt'),
  };
  return { ...HEALTHY, ...Object.fromEntries(Object.entries(health).filter(([, value]) => value !== undefined)) };
}
