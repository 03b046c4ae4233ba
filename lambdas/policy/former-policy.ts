/** A policy put together from the versions that SSM keeps: the index of one version, and of each part the version that it names. */
import type { Policy } from '../domain/policy.ts';
import { decodeIndex, decodeIndexPage, fromParameters, hashOf, parameterRoot } from './parameters.ts';

/** Versions of a parameter, newest first; empty when there is none. */
export interface VersionSource {
  history(name: string): Promise<readonly { readonly version: number; readonly value: string }[]>;
}

/** No such version, or a part of it is gone. */
export class FormerPolicyError extends Error {
  readonly code = 'former_policy_unavailable';
  constructor(message: string) {
    super(message);
    this.name = 'FormerPolicyError';
  }
}

/** How many versions are tried for the newest one that is whole. */
const MOST_TRIED = 5;

/** The policy of that version of the index. @throws FormerPolicyError when it is unknown or not whole any more */
export async function formerPolicy(source: VersionSource, stage: string, version: number): Promise<Policy> {
  const versions = await source.history(`${parameterRoot(stage)}/index`);
  const index = versions.find((candidate) => candidate.version === version);
  if (index === undefined) {
    const known = versions.map((candidate) => candidate.version).join(', ') || 'none';
    throw new FormerPolicyError(`there is no version ${version} of the policy of ${stage}; SSM has ${known}`);
  }
  return gather(source, stage, index.value, version);
}

/** The newest version that is whole: what was in force before a part was broken. @throws FormerPolicyError when none is */
export async function lastWholePolicy(source: VersionSource, stage: string): Promise<Policy> {
  const versions = await source.history(`${parameterRoot(stage)}/index`);
  const reasons: string[] = [];
  for (const { version, value } of versions.slice(0, MOST_TRIED)) {
    try {
      return await gather(source, stage, value, version);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : 'unknown');
    }
  }
  throw new FormerPolicyError(`no version of the policy of ${stage} is whole: ${reasons.join('; ') || 'there is none'}`);
}

async function gather(source: VersionSource, stage: string, index: string, version: number): Promise<Policy> {
  const root = parameterRoot(stage);
  const values = new Map([[`${root}/index`, index]]);
  const find = async (hashes: Readonly<Record<string, string>>): Promise<void> => {
    for (const [part, hash] of Object.entries(hashes)) {
      const name = `${root}/${part}`;
      const found = (await source.history(name)).find(({ value }) => hashOf(value) === hash);
      if (found === undefined) throw new FormerPolicyError(`version ${version} cannot be put together: its ${part} is gone`);
      values.set(name, found.value);
    }
  };
  const { parts, pages = {} } = decodeIndex(index, stage);
  await find(parts ?? pages);
  for (const page of Object.keys(pages)) await find(decodeIndexPage(values.get(`${root}/${page}`) ?? ''));
  return fromParameters(values, stage);
}
