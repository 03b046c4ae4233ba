/** The policy of a local stage: `<dir>/<stage>.yaml`, read once when the stage starts. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { PolicySource } from '../application/ports.ts';
import type { Policy } from '../domain/policy.ts';
import { type LoadedPolicy, loadPolicy } from '../policy/index.ts';
import { LocalError, hasCode } from './local-error.ts';

/**
 * Reads and checks a stage's file as a local stage may have it.
 * @throws LocalError when there is no such file; PolicyError with every problem found in it
 */
export async function readLocalPolicy(directory: string, stage: string, atEpochMs: number): Promise<LoadedPolicy> {
  const file = path.join(directory, `${stage}.yaml`);
  return loadPolicy(await readPolicyText(file), { file, deployed: false, atEpochMs, stage });
}

/** @throws LocalError when the file is missing or cannot be read */
export async function readPolicyText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) {
      throw new LocalError(
        `there is no policy file ${file}`,
        'Check the path; for local stages, --policy DIR names the directory of dev.yaml and prod.yaml.',
      );
    }
    if (hasCode(error, 'EACCES') || hasCode(error, 'EISDIR'))
      throw new LocalError(`${file} cannot be read as a file`, 'Check what it is and who may read it.');
    throw error;
  }
}

/** A policy that stays as it was loaded. */
export function fixedPolicy(policy: Policy): PolicySource {
  return { current: async () => policy };
}
