/**
 * The ledger's rules, each broken alone: a text of the production code and what it is replaced by, in a copy. The
 * simulation must find every one, except those that are listed as survivors with the reason.
 */
export interface Mutant {
  readonly name: string;
  /** Below `lambdas/`. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Where it shows first; the others are tried after them. */
  readonly profiles: readonly string[];
  /** Why no run finds it. Undefined: it must be found. */
  readonly survives?: string;
  /** Found only by many seeds: left to `mutate.ts --seeds 100`. */
  readonly rare?: boolean;
  /** More seeds than the others need: it takes a rare meeting of events. */
  readonly seeds?: number;
}

const STORE = 'adapters/memory/ledger-store.ts';
const POTS = 'adapters/memory/pots.ts';
const CLOSE =
  'if (!now || now.escrowNanoUsd !== 0n || now.watched.length > 0 || now.lastUseEpochMs !== lastUseEpochMs) return false;';

export const MUTANTS: readonly Mutant[] = [
  /* ------------------------------------------------------------ clauses of the store's conditions */
  {
    name: 'reserve without "the lane has the money"',
    file: STORE,
    find: "if (lane.idleNanoUsd < estimate) return { ok: false, reason: 'short', lane };",
    replace: '',
    profiles: ['chaos'],
  },
  {
    name: 'reserve without "at most 16 holds"',
    file: STORE,
    find: "if (lane.holds.size >= MAX_HOLDS_PER_LANE) return { ok: false, reason: 'full', lane };",
    replace: '',
    profiles: ['growth', 'chaos'],
  },
  {
    name: 'reserve without "this hold is not there yet"',
    file: STORE,
    find: "if (lane?.holds.has(hid)) return { ok: false, reason: 'duplicate', lane };",
    replace: '',
    profiles: ['edge'],
    survives:
      'every reserve has a new hold id and is sent once, so the clause never decides; it guards against a client that resends',
  },
  {
    name: "reserve without the room of the user's pot",
    file: STORE,
    find: 'const refused = direct.find((term) => !hasRoom(this.pots.get(term.key), term, estimate));',
    replace: 'const refused = direct.find(() => false);',
    profiles: ['users'],
  },
  {
    name: 'grant without "the pot has room"',
    file: STORE,
    find: 'const refused = request.pots.find((term) => !hasRoom(this.pots.get(term.key), term, amount));',
    replace: 'const refused = request.pots.find(() => false);',
    profiles: ['chaos'],
  },
  {
    name: 'room of a wallet not asked for',
    file: POTS,
    find: "if (term.kind === 'wallet') return state !== undefined && state.availableNanoUsd >= amount;",
    replace: "if (term.kind === 'wallet') return true;",
    profiles: ['cascade', 'chaos'],
  },
  {
    name: 'room of a limit that does not exist yet not asked for',
    file: POTS,
    find: 'return state === undefined ? room >= 0n : state.committedNanoUsd <= room;',
    replace: 'return state === undefined || state.committedNanoUsd <= room;',
    profiles: ['users', 'alerts'],
  },
  {
    name: 'room of a limit one too large',
    file: POTS,
    find: 'const room = (term.hardLimitNanoUsd ?? 0n) - amount;',
    replace: 'const room = (term.hardLimitNanoUsd ?? 0n) - amount + 1n;',
    profiles: ['chaos', 'users'],
  },
  {
    name: 'grant without "so much is unflushed"',
    file: STORE,
    find: 'const flushFits = flushed === 0n || (lane?.unflushedNanoUsd ?? -1n) >= flushed;',
    replace: 'const flushFits = true;',
    profiles: ['chaos'],
  },
  {
    name: 'grant that writes no index keys',
    file: STORE,
    find: `      chain: request.pots.map((term) => term.key),
      walletId: chain.walletId,
      groupId: chain.groupId,
      providerId: chain.providerId,
      lastUseEpochMs: nowEpochMs,`,
    replace: `      chain: request.pots.map((term) => term.key),
      lastUseEpochMs: nowEpochMs,`,
    profiles: ['chaos'],
  },
  {
    name: 'giveBack without "so much is idle"',
    file: STORE,
    find: 'if (!now || now.idleNanoUsd < amountNanoUsd) return false;',
    replace: 'if (!now) return false;',
    profiles: ['cascade', 'chaos'],
  },
  {
    name: 'entry written over the one that is there',
    file: STORE,
    find: 'if (existing) return { ok: false, existing };',
    replace: '',
    profiles: ['edge', 'chaos'],
  },
  {
    name: 'settle without "this hold stands"',
    file: STORE,
    find: 'if (!lane || !held || !sameHold(held, hold)) return undefined;',
    replace: 'if (!lane) return undefined;',
    profiles: ['chaos'],
  },
  {
    name: 'settle without "and it is the hold that I know"',
    file: STORE,
    find: 'if (!lane || !held || !sameHold(held, hold)) return undefined;',
    replace: 'if (!lane || !held) return undefined;',
    profiles: ['edge', 'users'],
    survives:
      'a hold id names one hold with one estimate, so the value never differs; the clause only asks for the hold to be there',
  },
  {
    name: 'expire without "no entry came"',
    file: STORE,
    find: 'if (this.entries.has(entry.hid)) return false;',
    replace: '',
    profiles: ['edge', 'late'],
  },
  {
    name: 'expire without "the hold stands"',
    file: STORE,
    find: 'if (!this.endHold(lane, entry.hid, hold, entry.chargeNanoUsd)) return false;',
    replace: 'this.endHold(lane, entry.hid, hold, entry.chargeNanoUsd);',
    profiles: ['edge'],
    survives: 'a hold ends with an entry in place, so the entry clause refuses whatever this one would',
  },
  {
    name: 'late without "the entry is as I saw it"',
    file: STORE,
    find: 'if (!entry || entry.status !== request.seen.status || entry.chargeNanoUsd !== request.seen.chargeNanoUsd) {',
    replace: 'if (!entry) {',
    profiles: ['edge', 'chaos'],
  },
  {
    name: 'late without the room of the pots',
    file: STORE,
    find: 'const refused = terms.find((term) => !hasRoom(this.pots.get(term.key), term, difference));',
    replace: 'const refused = terms.find(() => false);',
    profiles: ['edge', 'cascade', 'users'],
  },
  {
    name: "late charge that forgets the user's pot",
    file: STORE,
    find: 'for (const { key } of request.direct) this.move(key, { committed: difference, settled: difference });',
    replace: '',
    profiles: ['users', 'edge'],
  },
  {
    name: 'lose without "the entry is as I saw it"',
    file: STORE,
    find: 'if (entry?.status !== seen) return false;',
    replace: 'if (entry === undefined) return false;',
    profiles: ['late', 'edge'],
  },
  {
    name: 'flush without "so much is unflushed"',
    file: STORE,
    find: 'if (found.some(({ now, amountNanoUsd }) => !now || now.unflushedNanoUsd < amountNanoUsd)) return false;',
    replace: 'if (found.some(({ now }) => !now)) return false;',
    profiles: ['chaos', 'edge'],
  },
  {
    name: 'close without "the lane is empty"',
    file: STORE,
    find: CLOSE,
    replace: 'if (!now || now.watched.length > 0 || now.lastUseEpochMs !== lastUseEpochMs) return false;',
    profiles: ['chaos', 'rollover'],
    survives:
      'whatever puts money into an empty lane also changes its last use, so the other clause refuses; without both it is found',
  },
  {
    name: 'close without "and it watches no user\'s pot"',
    file: STORE,
    find: CLOSE,
    replace: 'if (!now || now.escrowNanoUsd !== 0n || now.lastUseEpochMs !== lastUseEpochMs) return false;',
    profiles: ['users', 'rollover'],
    survives: 'the keeper closes only after a pass whose alert check, watched pots included, was clean',
  },
  {
    name: 'close without either clause',
    file: STORE,
    find: CLOSE,
    replace: 'if (!now) return false;',
    profiles: ['rollover', 'chaos', 'growth'],
  },
  {
    name: 'close without "and was not used since"',
    file: STORE,
    find: CLOSE,
    replace: 'if (!now || now.escrowNanoUsd !== 0n || now.watched.length > 0) return false;',
    profiles: ['alerts', 'rollover'],
    survives:
      'shows only when a lane is refilled, spent, flushed and emptied between the alert check and the close, and its process dies before its own check',
  },
  {
    name: 'top-up without its marker',
    file: STORE,
    find: `    if (earlier) {
      return { applied: false, reason: 'repeated', amountNanoUsd: earlier.amountNanoUsd, walletId: earlier.walletId };
    }`,
    replace: '',
    profiles: ['chaos', 'cascade'],
  },
  {
    name: 'withdrawal without "so much is free"',
    file: STORE,
    find: 'if (withdrawal && before.availableNanoUsd < -record.amountNanoUsd) {',
    replace: 'if (withdrawal && before.availableNanoUsd < 0n) {',
    profiles: ['cascade', 'chaos'],
  },
  {
    name: 'marker without "it does not stand"',
    file: STORE,
    find: 'if (state.alerts[marker]) return false;',
    replace: '',
    profiles: ['calm', 'alerts'],
  },
  {
    name: 'marker without "so much is settled"',
    file: STORE,
    find: 'if (ifSettledNanoUsd !== undefined && state.settledNanoUsd < ifSettledNanoUsd) return false;',
    replace: '',
    profiles: ['alerts'],
    survives: 'the desk has read the pot consistently a moment before, and settled falls only by a late refund',
  },
  {
    name: 'growth without "the number is what I saw"',
    file: STORE,
    find: 'if (now?.laneCount !== from) return false;',
    replace: 'if (now === undefined) return false;',
    profiles: ['growth'],
    survives: 'the number of lanes is a hint: a smaller one is doubled again, and no money depends on it',
  },

  /* ------------------------------------------------------------ what moves where */
  {
    name: "expiry that forgets the user's pot",
    file: STORE,
    find: 'for (const key of hold.direct) this.move(key, { committed: charge - hold.estimateNanoUsd, settled: charge });',
    replace: '',
    profiles: ['users'],
  },
  {
    name: 'flush that settles the first lane only',
    file: STORE,
    find: 'sum += amountNanoUsd;',
    replace: 'sum = sum === 0n ? amountNanoUsd : sum;',
    profiles: ['growth', 'chaos'],
  },

  /* ------------------------------------------------------------ rules of order, in the application */
  {
    name: 'settle before the entry',
    file: 'application/settlement.ts',
    find: 'const put = await putWithOrWithoutDetail(store, persistence, entry);',
    replace: `await settleHold(store, persistence, entry, entry);
  const put = await putWithOrWithoutDetail(store, persistence, entry);`,
    profiles: ['edge', 'chaos', 'alerts'],
  },
  {
    name: 'settle without an entry when the entry is not acknowledged',
    file: 'application/settlement.ts',
    find: 'const put = await putWithOrWithoutDetail(store, persistence, entry);',
    replace:
      'const put = await persist(() => store.putEntry(entry), { ...persistence, tries: 2 }).catch(() => ({ ok: true as const }));',
    profiles: ['edge', 'chaos'],
  },
  {
    name: 'the same hold id sent again',
    file: 'application/lanes.ts',
    find: 'const hid = makeHoldId(expiresAtEpochSeconds, random.id(12));',
    replace: 'hid ??= makeHoldId(expiresAtEpochSeconds, random.id(12));',
    profiles: ['edge', 'chaos'],
  },
  {
    name: 'no VOID after a lost reply',
    file: 'application/lanes.ts',
    find: '(await this.voids.declare(chain, lane, hid, hold, patience))',
    replace: 'true',
    profiles: ['chaos'],
  },
  {
    name: 'VOID of a hold that was answered',
    file: 'application/lanes.ts',
    find: 'if (outcome.ok) {',
    replace: `if (outcome.ok && attempt > 0) await this.voids.declare(chain, lane, hid, hold, patience);
      if (outcome.ok) {`,
    profiles: ['chaos'],
  },
  {
    name: 'VOID that the store did not take at once is forgotten',
    file: 'application/pending-voids.ts',
    find: 'else this.pending.set(hid, one);',
    replace: '',
    profiles: ['edge', 'late', 'users'],
  },
  {
    name: 'wallet found dry once is passed by for ever',
    file: 'application/dry-pots.ts',
    find: 'if (known.mark.untilEpochMs <= this.persistence.clock.now()) {',
    replace: 'if (known.mark.untilEpochMs < 0) {',
    profiles: ['spare'],
  },
  {
    name: 'wallet passed by although its lanes have the money',
    file: 'application/dry-pots.ts',
    find: 'return known !== undefined && boundNanoUsd > known.roomNanoUsd + known.mark.idleNanoUsd;',
    replace: 'return known !== undefined && boundNanoUsd > known.roomNanoUsd;',
    profiles: ['spare'],
  },
  {
    name: 'dry wallet not looked into again while its money is in flight',
    file: 'application/dry-pots.ts',
    find: 'if (mark.heldNanoUsd > 0n || now - lookedAtEpochMs > RENEWED_BY_FIGURES_MS || !isUnmoved(mark, state)) {',
    replace: 'if (!isUnmoved(mark, state)) {',
    profiles: ['spare'],
  },
  {
    name: 'dry mark believed although something was flushed since',
    file: 'application/dry-pots.ts',
    find: 'return mark.settledNanoUsd === (state?.settledNanoUsd ?? 0n) && sum === escrowNanoUsd(state);',
    replace: 'return sum === escrowNanoUsd(state);',
    profiles: ['calm', 'spare'],
    survives:
      'shows when a flush and a new hold of exactly the same size fall into one second of a mark: 1 in some 27 M operations (seed 50165 of calm, then); a unit test holds it',
  },
  {
    name: "refusal of a user's pot that the keeper cannot find",
    file: 'application/ledger-payments.ts',
    find: 'lane && { lane, chain }',
    replace: 'undefined',
    profiles: ['users'],
    seeds: 150,
  },
  {
    name: 'keeper ends holds before they expire, and without looking for an entry',
    file: 'application/keeper.ts',
    find: 'if (holdExpiryEpochSeconds(hid) * 1_000 > now) return;',
    replace: '',
    profiles: ['calm'],
  },
  {
    name: 'keeper leaves expired holds',
    file: 'application/keeper.ts',
    find: 'const ended = await store.expire(lane.id, hold, expiryEntry(lane, hid, hold, charges, now));',
    replace: 'const ended = false;',
    profiles: ['chaos'],
  },
  {
    name: 'keeper gives no idle money back',
    file: 'application/keeper.ts',
    find: 'if (this.isIdle(lane) && lane.idleNanoUsd > 0n)',
    replace: 'if (lane.idleNanoUsd < 0n)',
    profiles: ['chaos'],
  },
  {
    name: 'keeper flushes nothing',
    file: 'application/keeper.ts',
    find: 'const due = lanes.filter((lane) => lane.unflushedNanoUsd !== 0n);',
    replace: 'const due = lanes.filter((lane) => lane.unflushedNanoUsd < 0n);',
    profiles: ['chaos'],
  },
  {
    name: 'keeper closes before the alerts are checked',
    file: 'application/keeper.ts',
    find: 'if (result?.clean !== true) return;',
    replace: '',
    profiles: ['rollover', 'alerts'],
  },
  {
    name: 'keeper closes lanes that this pass has emptied',
    file: 'application/keeper.ts',
    find: 'if (lane.escrowNanoUsd !== 0n || lane.holds.size > 0 || !this.isIdle(lane)) continue;',
    replace: 'if (!this.isIdle(lane)) continue;',
    profiles: ['rollover'],
    survives: 'the pass checks the alerts after its own flush, and what comes between is refused by the two clauses of the close',
  },
  {
    name: 'alert not told again when it stays PENDING',
    file: 'application/alert-desk.ts',
    find: 'now - standing.atEpochMs > REDRIVE_MS &&',
    replace: 'now < 0 &&',
    profiles: ['alerts'],
  },
  {
    name: 'alert marked as sent before it is told',
    file: 'application/alert-desk.ts',
    find: `      await log.record(alert);
      await publisher.publish(alert);
      await persist(() => store.sendMarker(pot.key, marker, persistence.clock.now()), persistence);
      return true;`,
    replace: `      await persist(() => store.sendMarker(pot.key, marker, persistence.clock.now()), persistence);
      await log.record(alert);
      await publisher.publish(alert);
      return true;`,
    profiles: ['calm', 'alerts', 'users', 'edge'],
  },
  {
    name: 'alert told without its marker',
    file: 'application/alert-desk.ts',
    find: 'if (!mine) return false;',
    replace: 'if (pot.key === "") return false;',
    profiles: ['calm', 'alerts'],
    rare: true,
  },
  {
    name: 'charge above the bound',
    file: 'application/settlement.ts',
    find: 'const chargeNanoUsd = minOf(actualNanoUsd, estimateNanoUsd);',
    replace: 'const chargeNanoUsd = actualNanoUsd;',
    profiles: ['chaos'],
  },
  {
    name: 'late cost dropped',
    file: 'application/settlement.ts',
    find: "if (standing.status === 'LATE' || standing.status === 'LOST') return { kind: 'late' };",
    replace: "if (standing.status !== 'FINAL') return { kind: 'late' };",
    profiles: ['late', 'edge'],
  },
  {
    name: 'crossing marked under another percent',
    file: 'application/alert-desk.ts',
    find: 'const marker = markerName(top.percent, level);\n    const mine',
    replace: 'const marker = markerName(top.percent + 1, level);\n    const mine',
    profiles: ['alerts', 'calm'],
  },
];
