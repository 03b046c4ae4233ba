/**
 * Reconciliation: reads every pot, lane, top-up and entry and proves the ledger's invariants. It must find nothing. On a
 * live stage only what two reads leave unchanged is compared.
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
  /** Pots that moved between two reads and so were not compared; 0 when quiesced. */
  readonly moving: number;
  /** Sums over all wallets, and over all entries. */
  readonly spentNanoUsd: NanoUsd;
  readonly entriesNanoUsd: NanoUsd;
  readonly heldNanoUsd: NanoUsd;
  readonly lossNanoUsd: NanoUsd;
}

interface Books {
  readonly pots: ReadonlyMap<PotKey, PotState>;
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
}

/** @param quiesced nothing writes meanwhile: one read, everything compared */
export async function verifyLedger(store: LedgerStore, quiesced: boolean): Promise<VerifyReport> {
  const first = await readBooks(store);
  const books = quiesced ? first : await readBooks(store);
  const accounts = accountsOf(books);
  const before = quiesced ? accounts : accountsOf(first);
  const findings: Finding[] = [];
  let moving = 0;
  for (const lane of books.lanes) findings.push(...checkLane(lane));
  for (const key of new Set([...books.pots.keys(), ...accounts.keys()])) {
    if (!quiesced && fingerprint(first, before, key) !== fingerprint(books, accounts, key)) {
      moving += 1;
      continue;
    }
    findings.push(...checkPot(key, books.pots.get(key), accountOf(accounts, key)));
  }
  const sum = (amounts: Iterable<NanoUsd>): NanoUsd => [...amounts].reduce((total, amount) => total + amount, 0n);
  const wallets = [...books.pots.values()].filter((pot) => pot.kind === 'wallet');
  return {
    findings,
    pots: books.pots.size,
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

async function readBooks(store: LedgerStore): Promise<Books> {
  const pots = new Map<PotKey, PotState>();
  for await (const page of store.allPots()) for (const pot of page) pots.set(pot.key, pot);
  return {
    pots,
    lanes: await collect(store.allLanes()),
    entries: await collect(store.allEntries()),
    topUps: await collect(store.allTopUps()),
  };
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
    }
    for (const [hid, hold] of lane.holds) {
      standing.add(hid);
      for (const key of hold.direct) at(key).directHolds += hold.estimateNanoUsd;
    }
  }
  for (const entry of entries) {
    // An entry is written ahead of its settlement: while its hold stands, nothing has been charged.
    if (standing.has(entry.hid)) continue;
    for (const key of [...entry.chain, ...entry.direct]) at(key).charges += entry.chargeNanoUsd;
  }
  for (const topUp of topUps) at(`wallet/${topUp.walletId}#life`).toppedUp += topUp.amountNanoUsd;
  return accounts;
}

function accountOf(accounts: ReadonlyMap<PotKey, Account>, key: PotKey): Account {
  return accounts.get(key) ?? { escrow: 0n, unflushed: 0n, directHolds: 0n, charges: 0n, toppedUp: 0n };
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
function fingerprint(books: Books, accounts: ReadonlyMap<PotKey, Account>, key: PotKey): string {
  const pot = books.pots.get(key);
  const account = accountOf(accounts, key);
  return [pot?.availableNanoUsd, pot?.fundedNanoUsd, pot?.committedNanoUsd, pot?.settledNanoUsd, ...Object.values(account)].join(
    '|',
  );
}
