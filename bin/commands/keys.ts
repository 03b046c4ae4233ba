/** `tollgate keys`: API keys of a stage's groups. A key is shown once, when it is made; the store has its hash only. */
import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import type { ApiKey } from '../../lambdas/application/ports.ts';
import { makeApiKey, parseApiKey } from '../../lambdas/domain/api-keys.ts';
import type { Policy } from '../../lambdas/domain/policy.ts';
import { type StageOptions, expiry, onStage, theStage } from './options.ts';
import { CommandError, usageError } from './outcome.ts';
import { type StageAccess, withStages } from './stage-access.ts';
import { type AskOptions, type Terminal, confirm, isTerminal, printJson, printTable } from './terminal.ts';

interface CreateOptions extends StageOptions {
  readonly group: string;
  readonly user?: string;
  readonly expires?: string;
  readonly note?: string;
  readonly import?: boolean;
  readonly dryRun?: boolean;
}

interface RevokeOptions extends StageOptions, AskOptions {
  readonly dryRun?: boolean;
}

/** An imported key must not be guessable: 16 random characters of 62 are 95 bits. */
const IMPORTED = /^[\x21-\x7e]{16,512}$/;
const MOST_IMPORT_BYTES = 4_096;

export function addTo(program: Command, terminal: Terminal): void {
  const keys = program
    .command('keys')
    .summary('create, list and revoke API keys')
    .description('Create, list and revoke API keys.');
  onStage(keys.command('create').description('Make a key for a group and print it, once, on stdout.'))
    .requiredOption('--group <group>', 'the consumer group that it speaks for')
    .option('--user <user>', 'the user that it is bound to')
    .option('--expires <when>', 'such as 30d or 2027-01-31; default never')
    .option('--note <text>', 'what it is for, for people')
    .option('--import', 'read an existing key from stdin instead of making one')
    .option('--dry-run', 'say what would be done, and do nothing')
    .action((options: CreateOptions) =>
      withStages([theStage(options)], options, terminal, (access) => create(access, options, terminal)),
    );
  onStage(keys.command('list').description('Every key of a stage; never the keys themselves.')).action((options: StageOptions) =>
    withStages([theStage(options)], options, terminal, (access) => list(access, options, terminal)),
  );
  onStage(
    keys
      .command('revoke')
      .argument('<id>', 'id of the key, as keys list shows it')
      .description('End a key. It stops opening within 60 s.'),
  )
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--yes', 'do not ask')
    .option('--no-input', 'never ask: fail where a yes is needed')
    .action((id: string, options: RevokeOptions) =>
      withStages([theStage(options)], options, terminal, (access) => revoke(access, id, options, terminal)),
    );
}

async function create(access: StageAccess, options: CreateOptions, terminal: Terminal): Promise<void> {
  const { keys, persistence, stage } = access;
  checkGroup(access.policy, options.group);
  if (options.user !== undefined && !/^[0-9A-Za-z._@+-]{1,128}$/.test(options.user)) {
    throw usageError('--user is 1 to 128 characters of letters, digits and . _ @ + -');
  }
  if (options.note !== undefined && options.note.length > 200) throw usageError('--note is longer than 200 characters');
  const now = persistence.clock.now();
  const expiresEpochMs = options.expires === undefined ? undefined : expiry(options.expires, now);
  const imported = options.import === true ? await readImported(stage, terminal) : undefined;
  if (options.dryRun === true) {
    terminal.say(
      `would ${imported === undefined ? 'make' : 'import'} a key of group ${options.group} on stage ${stage}. Nothing was done (--dry-run).`,
    );
    return;
  }
  const key = imported ?? makeApiKey(stage, (length) => persistence.random.id(length));
  const sha256 = createHash('sha256').update(key, 'utf8').digest('hex');
  const stored: ApiKey = {
    id: sha256.slice(0, 12),
    sha256,
    group: options.group,
    user: options.user,
    note: options.note,
    createdEpochMs: now,
    expiresEpochMs,
  };
  if (!(await keys.create(stored))) {
    throw new CommandError(
      `stage ${stage} has this key already: ${stored.id}`,
      `See it with tollgate keys list --stage ${stage}.`,
    );
  }
  if (options.json === true) printJson(terminal, { ...facts(stage, stored, now), key: imported === undefined ? key : undefined });
  else if (imported === undefined) terminal.data(key);
  const until = expiresEpochMs === undefined ? '' : `, until ${new Date(expiresEpochMs).toISOString()}`;
  terminal.say(`key ${stored.id} opens stage ${stage} for group ${options.group}${until}.`);
  if (imported === undefined) terminal.say('It is shown this once; only its hash is kept.');
}

function checkGroup(policy: Policy, group: string): void {
  if (policy.consumerGroups.some((candidate) => candidate.name === group)) return;
  const known = policy.consumerGroups.map((candidate) => candidate.name).join(', ');
  throw new CommandError(`stage ${policy.stage} has no group '${group}'. Its groups: ${known || 'none'}`);
}

async function readImported(stage: string, terminal: Terminal): Promise<string> {
  if (isTerminal(process.stdin)) terminal.say('Paste the key and end with Ctrl-D:');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const part = Buffer.from(chunk as Uint8Array);
    bytes += part.length;
    if (bytes > MOST_IMPORT_BYTES) throw usageError('what came on stdin is too long for a key');
    chunks.push(part);
  }
  const key = Buffer.concat(chunks).toString('utf8').trim();
  if (!IMPORTED.test(key))
    throw usageError(
      'stdin must hold one key: 16 to 512 visible ASCII characters',
      'Such as: printf %s "$KEY" | tollgate keys create --import …',
    );
  const parsed = parseApiKey(key);
  if (parsed.kind === 'malformed')
    throw usageError('this looks like a key of Tollgate and is mistyped: its checksum does not fit');
  if (parsed.kind === 'valid' && parsed.stage !== stage)
    throw usageError(`this key is of stage ${parsed.stage}, not of ${stage}`);
  return key;
}

async function list({ keys, stage, persistence }: StageAccess, options: StageOptions, terminal: Terminal): Promise<void> {
  const now = persistence.clock.now();
  const all = (await keys.list()).toSorted((a, b) => a.createdEpochMs - b.createdEpochMs);
  if (options.json === true) {
    printJson(
      terminal,
      all.map((key) => facts(stage, key, now)),
    );
    return;
  }
  if (all.length === 0) {
    terminal.say(`stage ${stage} has no keys. Make one: tollgate keys create --stage ${stage} --group GROUP`);
    return;
  }
  printTable(
    terminal,
    ['ID', 'GROUP', 'USER', 'STATE', 'CREATED', 'EXPIRES', 'NOTE'],
    all.map((key) => [
      key.id,
      key.group,
      key.user ?? '',
      stateOf(key, now),
      day(key.createdEpochMs),
      day(key.expiresEpochMs),
      key.note ?? '',
    ]),
  );
}

async function revoke(
  { keys, stage, local, persistence }: StageAccess,
  id: string,
  options: RevokeOptions,
  terminal: Terminal,
): Promise<void> {
  const found = (await keys.list()).find((key) => key.id === id);
  if (found === undefined)
    throw new CommandError(
      `stage ${stage} has no key '${id.slice(0, 40)}'`,
      `See them with tollgate keys list --stage ${stage}.`,
    );
  if (options.dryRun === true) {
    terminal.say(`would revoke key ${id} of group ${found.group} on stage ${stage}. Nothing was done (--dry-run).`);
    return;
  }
  if (!local && stage === 'prod') await confirm(terminal, `revoke key ${id} of group ${found.group} on stage prod?`, options);
  const now = persistence.clock.now();
  await keys.revoke(id, now);
  if (options.json === true) printJson(terminal, facts(stage, { ...found, revokedEpochMs: found.revokedEpochMs ?? now }, now));
  terminal.say(`key ${id} is revoked; it stops opening within 60 s.`);
}

function stateOf(key: ApiKey, nowEpochMs: number): string {
  if (key.revokedEpochMs !== undefined) return 'revoked';
  return key.expiresEpochMs !== undefined && key.expiresEpochMs <= nowEpochMs ? 'expired' : 'valid';
}

function facts(stage: string, key: ApiKey, nowEpochMs: number) {
  return {
    stage,
    id: key.id,
    group: key.group,
    user: key.user,
    note: key.note,
    state: stateOf(key, nowEpochMs),
    createdAt: iso(key.createdEpochMs),
    expiresAt: iso(key.expiresEpochMs),
    revokedAt: iso(key.revokedEpochMs),
  };
}

function iso(epochMs: number | undefined): string | undefined {
  return epochMs === undefined ? undefined : new Date(epochMs).toISOString();
}

function day(epochMs: number | undefined): string {
  return iso(epochMs)?.slice(0, 10) ?? '';
}
