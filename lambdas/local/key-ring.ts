/**
 * One API key a group for whoever starts the local stages, in plaintext in `<home>/keys.json` (owner only). The store has
 * only hashes, so a key that is lost from the file, revoked or expired is made anew.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Clock, KeyStore, Random } from '../application/ports.ts';
import { makeApiKey, parseApiKey } from '../domain/api-keys.ts';
import type { Policy } from '../domain/policy.ts';
import { readIfThere, writePrivately } from './home.ts';

/** Plaintext keys by stage, then by group. */
export type PlainKeys = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface KeyRingStage {
  readonly policy: Policy;
  readonly keys: KeyStore;
}

export interface KeyRingDeps {
  readonly home: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told in plain words what a person should know. */
  readonly say: (line: string) => void;
}

/** SHA-256 of a key as the store keeps it, hex. */
export function hashOfKey(key: string): string {
  return createHash('sha256').update(key, 'utf8').digest('hex');
}

/** @returns a key that opens, for every group of every stage */
export async function keysOfGroups(stages: readonly KeyRingStage[], deps: KeyRingDeps): Promise<PlainKeys> {
  const file = path.join(deps.home, 'keys.json');
  const known = await readKeys(file, deps.say);
  const all: Record<string, Record<string, string>> = {};
  let made = 0;
  for (const { policy, keys } of stages) {
    const ofStage: Record<string, string> = {};
    for (const group of policy.consumerGroups) {
      const old = known?.[policy.stage]?.[group.name];
      if (old !== undefined && (await opens(keys, old, policy.stage, group.name, deps.clock.now()))) ofStage[group.name] = old;
      else {
        ofStage[group.name] = await createKey(keys, policy.stage, group.name, deps);
        made += 1;
        if (old !== undefined) deps.say(`the key of group ${group.name} (${policy.stage}) no longer opens: a new one was made`);
      }
    }
    all[policy.stage] = ofStage;
  }
  // Stages and groups that the policy has no more keep their keys: the policy may come back.
  const merged = { ...known };
  for (const [stage, ofStage] of Object.entries(all)) merged[stage] = { ...known?.[stage], ...ofStage };
  if (made > 0) await writePrivately(file, `${JSON.stringify({ version: 1, keys: merged }, null, 2)}\n`);
  return all;
}

async function createKey(keys: KeyStore, stage: string, group: string, { clock, random }: KeyRingDeps): Promise<string> {
  const key = makeApiKey(stage, (length) => random.id(length));
  const sha256 = hashOfKey(key);
  await keys.create({ id: sha256.slice(0, 12), sha256, group, note: 'made by tollgate start', createdEpochMs: clock.now() });
  return key;
}

async function opens(keys: KeyStore, key: string, stage: string, group: string, nowEpochMs: number): Promise<boolean> {
  const parsed = parseApiKey(key);
  if (parsed.kind !== 'valid' || parsed.stage !== stage) return false;
  const stored = await keys.find(hashOfKey(key));
  if (stored === undefined || stored.group !== group || stored.revokedEpochMs !== undefined) return false;
  return stored.expiresEpochMs === undefined || stored.expiresEpochMs > nowEpochMs;
}

async function readKeys(file: string, say: (line: string) => void): Promise<PlainKeys | undefined> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  const keys = parseKeys(text);
  if (keys === undefined)
    say(
      `${file} is damaged, so new keys are made; the old ones keep opening until they are revoked (tollgate keys list --local)`,
    );
  return keys;
}

function parseKeys(text: string): PlainKeys | undefined {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(data) || data.version !== 1 || !isRecord(data.keys)) return undefined;
  const keys: Record<string, Record<string, string>> = {};
  for (const [stage, ofStage] of Object.entries(data.keys)) {
    if (!isRecord(ofStage)) return undefined;
    const groups: Record<string, string> = {};
    for (const [group, key] of Object.entries(ofStage)) {
      if (typeof key !== 'string') return undefined;
      groups[group] = key;
    }
    keys[stage] = groups;
  }
  return keys;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
