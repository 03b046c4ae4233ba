/**
 * Rate counters on DynamoDB: one small item a group and minute. Plain updates of one item follow each other and never
 * conflict; one item takes 1,000 writes a second, which is the ceiling of one group.
 * @see Amazon DynamoDB Developer Guide, "Burst and adaptive capacity" (1,000 write units a second and partition), read 2026-11-24
 */
import type { RateCounts, RateLimits, RateMinute, RateStore, RateTaken } from '../../application/ports-rates.ts';
import type { PlainItem } from './attribute-values.ts';
import { all, any } from './expressions.ts';
import { ItemReader } from './item-reader.ts';
import { LedgerTable, type LedgerTableOptions } from './ledger-table.ts';
import { type ItemKey, TTL_ATTRIBUTE } from './table.ts';

export const RATE_PREFIX = 'RATE#';
/** A minute that is over is of no use; expiry is late by hours all the same. */
const KEPT_SECONDS = 3_600;

const CLAUSES = {
  minuteIsNew: 'attribute_not_exists(#pk)',
  minuteIsThere: 'attribute_exists(#pk)',
  requestsHaveRoom: '#requests < :requestLimit',
  /** `:tokenRoom` is the limit less the request's tokens. */
  tokensHaveRoom: '#tokens <= :tokenRoom',
} as const;

export class DynamoRateStore implements RateStore {
  private readonly table: LedgerTable;

  constructor(options: LedgerTableOptions) {
    this.table = new LedgerTable(options);
  }

  async takeRate(minute: RateMinute, tokens: number, limits: RateLimits): Promise<RateTaken> {
    const { requestsPerMinute, tokensPerMinute } = limits;
    const counted = tokensPerMinute === undefined ? 0 : tokens;
    const fits = all(
      ...(requestsPerMinute === undefined ? [] : [CLAUSES.requestsHaveRoom]),
      ...(tokensPerMinute === undefined ? [] : [CLAUSES.tokensHaveRoom]),
    );
    const done = await this.table.update('takeRate', keyOf(minute), {
      update: ['ADD #requests :one, #tokens :counted', `SET #${TTL_ATTRIBUTE} = :expires`],
      condition: fits === '' ? undefined : any(CLAUSES.minuteIsNew, `(${fits})`),
      values: {
        one: 1,
        counted,
        expires: Math.ceil(minute.startsAtEpochMs / 1_000) + KEPT_SECONDS,
        ...(requestsPerMinute === undefined ? {} : { requestLimit: requestsPerMinute }),
        ...(tokensPerMinute === undefined ? {} : { tokenRoom: tokensPerMinute - counted }),
      },
    });
    return { ok: done.ok, counts: countsOf(done.item) };
  }

  async adjustRate(minute: RateMinute, change: RateCounts): Promise<void> {
    await this.table.update('adjustRate', keyOf(minute), {
      update: ['ADD #requests :requests, #tokens :tokens'],
      condition: CLAUSES.minuteIsThere,
      values: { requests: change.requests, tokens: change.tokens },
    });
  }
}

function keyOf({ groupId, startsAtEpochMs }: RateMinute): ItemKey {
  return { pk: `${RATE_PREFIX}${groupId}#${startsAtEpochMs / 60_000}`, sk: '-' };
}

function countsOf(item: PlainItem | undefined): RateCounts {
  if (item === undefined) return { requests: 0, tokens: 0 };
  const reader = new ItemReader(item);
  return { requests: reader.integer('requests'), tokens: reader.integer('tokens') };
}
