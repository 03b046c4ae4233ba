/**
 * Kept answers on DynamoDB: a head of under 1 KB that claims and tells, and the body beside it, compressed, in parts that are
 * written before the head names them. A condition that fails costs by the size of the item, so the head stays small.
 * Nothing is deleted: a claim is given back by an update, and what has expired is known by its time before DynamoDB removes it.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { AnswerKey, AnswerStore, ClaimOutcome, ClaimRequest, StoredAnswer } from '../../application/ports-answers.ts';
import type { PlainItem } from './attribute-values.ts';
import { all, any } from './expressions.ts';
import { ItemReader } from './item-reader.ts';
import { LedgerTable, type LedgerTableOptions } from './ledger-table.ts';
import { type ItemKey, TTL_ATTRIBUTE } from './table.ts';

export const CLAIM_PREFIX = 'IDEM#';
export const CACHE_PREFIX = 'CACHE#';

/** An item holds 400 KB, names and keys included. @see Amazon DynamoDB Developer Guide, "Constraints", read 2026-11-24 */
const PART_BYTES = 350 * 1024;
/** A part outlives its head, so that a head in force never names a part that is gone. */
const PARTS_LONGER_SECONDS = 3_600;
/** What a stored body may unfold to; far above what the application keeps. */
const MOST_BYTES = 64 * 1024 * 1024;

const CLAUSES = {
  keyIsNew: 'attribute_not_exists(#pk)',
  /** Its call cost nothing and the key was given back. */
  claimIsReleased: '#st = :released',
  keyHasExpired: '#ex <= :now',
  claimIsOpen: '#st = :open',
  /** Nobody but the request that made the claim ends it. */
  claimIsMine: '#ow = :owner',
} as const;

const pack = promisify(gzip);
const unpack = promisify(gunzip);

export class DynamoAnswerStore implements AnswerStore {
  private readonly table: LedgerTable;

  constructor(options: LedgerTableOptions) {
    this.table = new LedgerTable(options);
  }

  async claimAnswer(claim: ClaimRequest): Promise<ClaimOutcome> {
    const item = {
      ...headKey(claim.key),
      st: 'OPEN',
      ow: claim.owner,
      rq: claim.requestSha256,
      le: claim.leaseUntilEpochMs,
      ...expiry(claim.expiresAtEpochMs),
    };
    const condition = any(CLAUSES.keyIsNew, CLAUSES.claimIsReleased, CLAUSES.keyHasExpired);
    const put = await this.table.put('claimAnswer', item, condition, { released: 'RELEASED', now: claim.nowEpochMs });
    if (put.ok) return { kind: 'claimed' };
    // Somebody has it, and the next look tells who.
    if (put.item === undefined) return { ...claim, kind: 'open' };
    const head = new ItemReader(put.item);
    const requestSha256 = head.text('rq');
    switch (head.text('st')) {
      case 'OPEN':
        if (head.text('ow') === claim.owner) return { kind: 'claimed' };
        return { kind: 'open', requestSha256, leaseUntilEpochMs: head.integer('le') };
      case 'DONE': {
        const answer = await this.readAnswer('readAnswer', head);
        return answer === undefined ? { kind: 'lost', requestSha256 } : { kind: 'done', requestSha256, answer };
      }
      case 'LOST':
        return { kind: 'lost', requestSha256 };
      default:
        return head.damaged(`'${head.text('st')}' is no state of a claim`);
    }
  }

  async releaseClaim(claim: ClaimRequest): Promise<void> {
    await this.end('releaseClaim', claim, { st: 'RELEASED' });
  }

  async endClaim(claim: ClaimRequest, answer: StoredAnswer | undefined): Promise<void> {
    if (answer === undefined) {
      await this.end('endClaim', claim, { st: 'LOST' });
      return;
    }
    const parts = await this.putParts('endClaim', claim.key, answer.body, claim.owner, claim.expiresAtEpochMs);
    await this.end('endClaim', claim, { st: 'DONE', an: answerMap(answer, claim.owner, parts) });
  }

  async findAnswer(key: AnswerKey, nowEpochMs: number): Promise<StoredAnswer | undefined> {
    const item = await this.table.get('findAnswer', headKey(key), false);
    if (item === undefined) return undefined;
    const head = new ItemReader(item);
    return head.integer('ex') > nowEpochMs ? this.readAnswer('findAnswer', head) : undefined;
  }

  async keepAnswer(key: AnswerKey, answer: StoredAnswer, version: string, expiresAtEpochMs: number): Promise<void> {
    const parts = await this.putParts('keepAnswer', key, answer.body, version, expiresAtEpochMs);
    const head = { ...headKey(key), an: answerMap(answer, version, parts), ...expiry(expiresAtEpochMs) };
    await this.table.put('keepAnswer', head, '');
  }

  private async end(operation: string, { key, owner }: ClaimRequest, change: PlainItem): Promise<void> {
    await this.table.update(operation, headKey(key), {
      update: [
        `SET ${Object.keys(change)
          .map((name) => `#${name} = :${name}`)
          .join(', ')}`,
      ],
      condition: all(CLAUSES.claimIsOpen, CLAUSES.claimIsMine),
      values: { ...change, open: 'OPEN', owner },
    });
  }

  /** @returns how many */
  private async putParts(
    operation: string,
    key: AnswerKey,
    body: Uint8Array,
    version: string,
    expiresAtEpochMs: number,
  ): Promise<number> {
    const packed = await pack(body);
    const count = Math.ceil(packed.length / PART_BYTES);
    await Promise.all(
      Array.from({ length: count }, (_, at) => {
        const bytes = packed.subarray(at * PART_BYTES, (at + 1) * PART_BYTES);
        const ttl = Math.ceil(expiresAtEpochMs / 1_000) + PARTS_LONGER_SECONDS;
        return this.table.put(operation, { ...partKey(key, version, at), by: bytes, [TTL_ATTRIBUTE]: ttl }, '');
      }),
    );
    return count;
  }

  private async readAnswer(operation: string, head: ItemReader): Promise<StoredAnswer | undefined> {
    const kept = head.inside('an');
    const [version, count] = [kept.text('v'), kept.integer('n')];
    const keys = Array.from({ length: count }, (_, at) => ({ pk: head.pk, sk: partName(version, at) }));
    const parts = new Map((await this.table.batchGet(operation, keys, true)).map((item) => [item.sk, new ItemReader(item)]));
    const pieces = keys.map(({ sk }) => parts.get(sk)?.bytes('by'));
    if (pieces.some((piece) => piece === undefined)) return undefined;
    const packed = Buffer.concat(pieces.filter((piece) => piece !== undefined));
    const route = kept.optionalText('rt');
    const provider = kept.optionalText('pv');
    return {
      status: kept.integer('s'),
      headers: pairs(kept.texts('h')),
      stream: kept.optionalFlag('ss') ?? false,
      body: new Uint8Array(await unpack(packed, { maxOutputLength: MOST_BYTES })),
      ...(route === undefined ? {} : { route }),
      ...(provider === undefined ? {} : { provider }),
      costNanoUsd: kept.amount('ch'),
      atEpochMs: kept.integer('at'),
    };
  }
}

function headKey({ kind, groupId, sha256 }: AnswerKey): ItemKey {
  return { pk: `${kind === 'once' ? CLAIM_PREFIX : CACHE_PREFIX}${groupId}#${sha256}`, sk: '-' };
}

function partKey(key: AnswerKey, version: string, at: number): ItemKey {
  return { pk: headKey(key).pk, sk: partName(version, at) };
}

function partName(version: string, at: number): string {
  return `${version}#${at}`;
}

/** `ex` decides; the other is for DynamoDB's own removal, which may come days later. */
function expiry(expiresAtEpochMs: number): PlainItem {
  return { ex: expiresAtEpochMs, [TTL_ATTRIBUTE]: Math.ceil(expiresAtEpochMs / 1_000) };
}

/** What the head says of an answer whose body is in so many parts. */
function answerMap(answer: StoredAnswer, version: string, parts: number): PlainItem {
  return {
    v: version,
    n: parts,
    s: answer.status,
    h: [...answer.headers].flat(),
    ss: answer.stream,
    rt: answer.route,
    pv: answer.provider,
    ch: answer.costNanoUsd,
    at: answer.atEpochMs,
  };
}

function pairs(flat: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    Array.from({ length: Math.floor(flat.length / 2) }, (_, at) => [flat[at * 2] ?? '', flat[at * 2 + 1] ?? ''] as const),
  );
}
