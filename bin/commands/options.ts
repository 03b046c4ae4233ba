/** Options that several commands share, and how their texts are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { LOCAL_STAGES, type LocalStageName } from '../../lambdas/local/stage-names.ts';
import { usageError } from './outcome.ts';

export const STAGES = LOCAL_STAGES;
export type StageName = LocalStageName;

export interface StageOptions {
  readonly stage?: StageName;
  readonly local?: boolean;
  readonly home: string;
  readonly policy: string;
  readonly json?: boolean;
}

/** Options of every command that works on a stage. */
export function onStage(command: Command): Command {
  return command
    .addOption(new Option('--stage <stage>', 'which stage').choices(STAGES))
    .option('--local', 'the local stages instead of AWS')
    .option('--home <dir>', 'home of the local stages', '.tollgate')
    .option('--policy <dir>', "directory of the local stages' policies", 'policy')
    .option('--json', 'print JSON');
}

/** Refuses `--home ""`, which is what an unset shell variable makes of `--home "$DIR"`: it would mean the working directory. */
export function refuseEmptyOptions(command: Command): void {
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value !== 'string' || value.trim() !== '') continue;
    throw usageError(`${option.long ?? option.flags} is empty`, 'Give it a value, or leave the option out.');
  }
}

/** The stage that was named. @throws CommandError when none was */
export function theStage(options: Pick<StageOptions, 'stage'>): StageName {
  if (options.stage === undefined) throw usageError('which stage is meant?', 'Add --stage dev or --stage prod.');
  return options.stage;
}

/** A whole number of a range, for an option. */
export function wholeNumber(name: string, least: number, most: number) {
  return (text: string): number => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`${name} is a whole number from ${least} to ${most}.`);
    return value;
  };
}

/**
 * When something ends: `30d`, `12h`, `45m`, or an ISO date, which ends at its beginning in UTC.
 * @returns epoch ms, in the future
 */
export function expiry(text: string, nowEpochMs: number): number {
  const span = /^(\d{1,5})([dhm])$/.exec(text);
  const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000 }[span?.[2] ?? ''];
  const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  const at = unitMs === undefined ? iso : nowEpochMs + Number(span?.[1]) * unitMs;
  if (!Number.isFinite(at))
    throw usageError(
      `'${text.slice(0, 40)}' is no expiry`,
      'Write a span such as 30d or 12h, or an ISO date such as 2027-01-31.',
    );
  if (at <= nowEpochMs) throw usageError(`the expiry ${text.slice(0, 40)} has passed already`, 'Give one in the future.');
  return at;
}
