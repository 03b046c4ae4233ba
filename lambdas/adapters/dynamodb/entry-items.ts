/** Ledger entries as stored, and back. Attribute names are short: an entry should cost one write unit (1 KB). */
import { type Entry, type EntryDetail, type EntryStatus, PURPOSES } from '../../domain/entries.ts';
import type { Usage } from '../../domain/prices.ts';
import type { PlainItem } from './attribute-values.ts';
import { ItemReader } from './item-reader.ts';
import { parseLaneName } from './items.ts';
import { entryItemKey } from './table.ts';

const STATUSES: readonly EntryStatus[] = ['FINAL', 'VOID', 'RELEASED', 'ESTIMATED', 'LATE', 'LOST'];

/** How an entry is stored. */
export function entryItem(entry: Entry): PlainItem {
  return {
    ...entryItemKey(entry.hid),
    st: entry.status,
    ch: entry.chargeNanoUsd,
    lo: entry.lossNanoUsd,
    e: entry.estimateNanoUsd,
    ln: `${entry.lane.chainHash}#${entry.lane.n}`,
    chain: entry.chain,
    ...(entry.direct.length > 0 ? { dp: entry.direct } : {}),
    at: entry.atEpochMs,
    d: detailMap(entry.detail),
  };
}

/** How an entry's detail is stored. Undefined values are left out by the client. */
export function detailMap(detail: EntryDetail): PlainItem {
  const { usage } = detail;
  return {
    r: detail.requestId,
    gr: detail.group,
    us: detail.user,
    k: detail.keyId,
    rt: detail.route,
    rf: detail.reroutedFrom,
    pv: detail.provider,
    m: detail.model,
    n: detail.attempt,
    ug: usage && {
      i: usage.inputTokens,
      c: usage.cachedInputTokens,
      o: usage.outputTokens,
      r: usage.reasoningTokens,
      w: usage.cacheWriteInputTokens,
      wh: usage.cacheWriteHourInputTokens,
    },
    es: detail.estimated,
    oc: detail.outcome,
    pp: detail.purpose,
    // A list, because a caller's key such as `__proto__` is no key of a map that anybody should make.
    tg: detail.tags && Object.entries(detail.tags).flat(),
    uf: detail.unlistedFields,
  };
}

/** @throws DamagedItemError when the item is no entry */
export function readEntryItem(item: PlainItem): Entry {
  const reader = new ItemReader(item);
  const stored = reader.text('st');
  const status = STATUSES.find((candidate) => candidate === stored) ?? reader.damaged(`'${stored}' is no entry status`);
  return {
    hid: reader.sk,
    status,
    chargeNanoUsd: reader.amount('ch'),
    lossNanoUsd: reader.amount('lo'),
    estimateNanoUsd: reader.amount('e'),
    lane: parseLaneName(reader, reader.text('ln')),
    chain: reader.texts('chain'),
    direct: reader.optionalTexts('dp') ?? [],
    atEpochMs: reader.integer('at'),
    detail: readDetail(reader),
  };
}

function readDetail(outer: ItemReader): EntryDetail {
  const reader = outer.inside('d');
  const usage = reader.has('ug') ? readUsage(reader.inside('ug')) : undefined;
  const detail: { [K in keyof EntryDetail]: EntryDetail[K] } = {
    requestId: reader.optionalText('r'),
    group: reader.optionalText('gr'),
    user: reader.optionalText('us'),
    keyId: reader.optionalText('k'),
    route: reader.optionalText('rt'),
    reroutedFrom: reader.optionalText('rf'),
    provider: reader.optionalText('pv'),
    model: reader.optionalText('m'),
    attempt: reader.optionalInteger('n'),
    usage,
    estimated: reader.optionalFlag('es'),
    outcome: reader.optionalText('oc'),
    purpose: readPurpose(reader),
    tags: readTags(reader),
    unlistedFields: reader.optionalTexts('uf'),
  };
  return Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined));
}

function readPurpose(reader: ItemReader): EntryDetail['purpose'] {
  const purpose = reader.optionalText('pp');
  if (purpose === undefined) return undefined;
  return PURPOSES.find((candidate) => candidate === purpose) ?? reader.damaged(`'${purpose}' is no purpose`);
}

function readUsage(reader: ItemReader): Usage {
  const reasoningTokens = reader.optionalInteger('r');
  const cacheWriteInputTokens = reader.optionalInteger('w');
  const cacheWriteHourInputTokens = reader.optionalInteger('wh');
  return {
    inputTokens: reader.integer('i'),
    cachedInputTokens: reader.integer('c'),
    outputTokens: reader.integer('o'),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
    ...(cacheWriteInputTokens === undefined ? {} : { cacheWriteInputTokens }),
    ...(cacheWriteHourInputTokens === undefined ? {} : { cacheWriteHourInputTokens }),
  };
}

function readTags(reader: ItemReader): Record<string, string> | undefined {
  const stored = reader.optionalTexts('tg');
  if (stored === undefined) return undefined;
  const pairs = Array.from({ length: Math.floor(stored.length / 2) }, (_, at) => [
    stored[at * 2] ?? '',
    stored[at * 2 + 1] ?? '',
  ]);
  return Object.fromEntries(pairs) as Record<string, string>;
}
