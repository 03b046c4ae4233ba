/**
 * Reconciliation: reads every pot, lane, top-up and entry and proves the ledger's invariants. It must find nothing.
 *
 * On a live stage the pots are read once, between two reads of the lanes, and these between two of entries and top-ups. A
 * pot is compared when what stands behind it is the same in both: the same holds by their ids, lanes not used since, no
 * entry more. An entry comes after its hold, so a hold that came and went around the reading of the pot has left one.
 */
import type { Entry } from '../domain/entries.ts';
import { type NanoUsd, formatUsd } from '../domain/money.ts';
import { type LaneState, type PotKey, type PotState, heldNanoUsd } from '../domain/pots.ts';
import type { LedgerStore, TopUpRecord } from './ports.ts';

export interface Finding {
  readonly invariant: string;
  readonly subject: string;
  readonly expectedUsd: string;
  readonly foundUsd: string;
}

export interface VerifyReport {
  readonly findings: readonly Finding[];
  readonly pots: number;
  readonly lanes: number;
  readonly entries: number;
  readonly topUps: number;
  /** Pots behind which something moved between two reads, and which so were not compared; 0 when quiesced. */
  readonly moving: number;
  /** Sums over all wallets, and over all entries. */
  readonly spentNanoUsd: NanoUsd;
  readonly entriesNanoUsd: NanoUsd;
  readonly heldNanoUsd: NanoUsd;
  readonly lossNanoUsd: NanoUsd;
}

/** What stands behind the pots. */
interface Books {
  readonly lanes: readonly LaneState[];
  readonly entries: readonly Entry[];
  readonly topUps: readonly TopUpRecord[];
}

/** What stands behind one pot: lanes, holds beside lanes, charges, top-ups. */
interface Account {
  escrow: NanoUsd;
  unflushed: NanoUsd;
  directHolds: NanoUsd;
  charges: NanoUsd;
  toppedUp: NanoUsd;
  /** Entries and top-ups; they only become more. */
  records: number;
  /** Standing holds by id, and lanes with their last use. */
  readonly standing: string[];
}

/** @param quiesced nothing writes meanwhile: one read, everything compared */
export async function verifyLedger(store: LedgerStore, quiesced: boolean): Promise<VerifyReport> {
  const before = quiesced ? undefined : await readInward(store);
  const pots = await readPots(store);
  const books = await readOutward(store);
  const accounts = accountsOf(books);
  const earlier = before === undefined ? accounts : accountsOf(before);
  const findings: Finding[] = [];
  let moving = 0;
  for (const lane of books.lanes) findings.push(...checkLane(lane));
  for (const key of new Set([...pots.keys(), ...accounts.keys(), ...earlier.keys()])) {
    if (fingerprint(earlier, key) !== fingerprint(accounts, key)) {
      moving += 1;
      continue;
    }
    findings.push(...checkPot(key, pots.get(key), accountOf(accounts, key)));
  }
  const sum = (amounts: Iterable<NanoUsd>): NanoUsd => [...amounts].reduce((total, amount) => total + amount, 0n);
  const wallets = [...pots.values()].filter((pot) => pot.kind === 'wallet');
  return {
    findings,
    pots: pots.size,
    lanes: books.lanes.length,
    entries: books.entries.length,
    topUps: books.topUps.length,
    moving,
    spentNanoUsd: sum(wallets.map((pot) => pot.settledNanoUsd + accountOf(accounts, pot.key).unflushed)),
    entriesNanoUsd: sum(books.entries.map((entry) => entry.chargeNanoUsd)),
    heldNanoUsd: sum(books.lanes.map(heldNanoUsd)),
    lossNanoUsd: sum(books.entries.map((entry) => entry.lossNanoUsd)),
  };
}

async function readPots(store: LedgerStore): Promise<ReadonlyMap<PotKey, PotState>> {
  return new Map((await collect(store.allPots())).map((pot) => [pot.key, pot]));
}

/** The lanes last, next to the pots. */
async function readInward(store: LedgerStore): Promise<Books> {
  const topUps = await collect(store.allTopUps());
  const entries = await collect(store.allEntries());
  return { topUps, entries, lanes: await collect(store.allLanes()) };
}

/** The lanes first. */
async function readOutward(store: LedgerStore): Promise<Books> {
  const lanes = await collect(store.allLanes());
  const entries = await collect(store.allEntries());
  return { lanes, entries, topUps: await collect(store.allTopUps()) };
}

async function collect<T>(pages: AsyncIterable<readonly T[]>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const page of pages) for (const item of page) all.push(item);
  return all;
}

function accountsOf({ lanes, entries, topUps }: Books): Map<PotKey, Account> {
  const accounts = new Map<PotKey, Account>();
  const at = (key: PotKey): Account => {
    const account = accountOf(accounts, key);
    accounts.set(key, account);
    return account;
  };
  const standing = new Set<string>();
  for (const lane of lanes) {
    for (const key of lane.chain) {
      at(key).escrow += lane.escrowNanoUsd;
      at(key).unflushed += lane.unflushedNanoUsd;
      at(key).standing.push(`${lane.id.chainHash}#${lane.id.n} ${lane.lastUseEpochMs}`, ...lane.holds.keys());
    }
    for (const [hid, hold] of lane.holds) {
      standing.add(hid);
      for (const key of hold.direct) {
        at(key).directHolds += hold.estimateNanoUsd;
        at(key).standing.push(hid);
      }
    }
  }
  for (const entry of entries) {
    for (const key of [...entry.chain, ...entry.direct]) {
      at(key).records += 1;
      // An entry is written ahead of its settlement: while its hold stands, nothing has been charged.
      if (!standing.has(entry.hid)) at(key).charges += entry.chargeNanoUsd;
    }
  }
  for (const topUp of topUps) {
    const account = at(`wallet/${topUp.walletId}#life`);
    account.toppedUp += topUp.amountNanoUsd;
    account.records += 1;
  }
  return accounts;
}

function accountOf(accounts: ReadonlyMap<PotKey, Account>, key: PotKey): Account {
  const empty = { escrow: 0n, unflushed: 0n, directHolds: 0n, charges: 0n, toppedUp: 0n, records: 0, standing: [] };
  return accounts.get(key) ?? empty;
}

function checkLane(lane: LaneState): readonly Finding[] {
  const subject = `lane ${lane.id.chainHash}#${lane.id.n}`;
  return [
    ...compare(
      'escrow = idle + holds + unflushed',
      subject,
      lane.idleNanoUsd + heldNanoUsd(lane) + lane.unflushedNanoUsd,
      lane.escrowNanoUsd,
    ),
    ...atLeastZero('idle >= 0', subject, lane.idleNanoUsd),
    ...atLeastZero('unflushed >= 0', subject, lane.unflushedNanoUsd),
  ];
}

function checkPot(key: PotKey, pot: PotState | undefined, account: Account): readonly Finding[] {
  if (pot === undefined) {
    const stranded = account.escrow !== 0n || account.charges !== 0n || account.toppedUp !== 0n;
    return stranded
      ? [
          {
            invariant: 'the pot exists',
            subject: key,
            expectedUsd: formatUsd(account.charges + account.escrow),
            foundUsd: 'no pot',
          },
        ]
      : [];
  }
  const settled = compare('settled + unflushed = sum of entries', key, account.charges, pot.settledNanoUsd + account.unflushed);
  if (pot.kind === 'wallet') {
    return [
      ...settled,
      ...compare('funded = top-ups less withdrawals', key, account.toppedUp, pot.fundedNanoUsd),
      ...compare(
        'funded = available + settled + escrow',
        key,
        pot.fundedNanoUsd,
        pot.availableNanoUsd + pot.settledNanoUsd + account.escrow,
      ),
    ];
  }
  return [
    ...settled,
    ...compare(
      'committed = settled + escrow',
      key,
      pot.settledNanoUsd + account.escrow + account.directHolds,
      pot.committedNanoUsd,
    ),
  ];
}

function compare(invariant: string, subject: string, expected: NanoUsd, found: NanoUsd): readonly Finding[] {
  return expected === found ? [] : [{ invariant, subject, expectedUsd: formatUsd(expected), foundUsd: formatUsd(found) }];
}

function atLeastZero(invariant: string, subject: string, amount: NanoUsd): readonly Finding[] {
  return amount >= 0n ? [] : [{ invariant, subject, expectedUsd: '0.00 or more', foundUsd: formatUsd(amount) }];
}

/** What a movement on a pot would change. */
function fingerprint(accounts: ReadonlyMap<PotKey, Account>, key: PotKey): string {
  const { standing, ...sums } = accountOf(accounts, key);
  return [...Object.values(sums), ...standing.toSorted()].join('|');
}
