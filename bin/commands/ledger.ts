/** `tollgate ledger`: prove the invariants from the stored items, or run one pass of the keeper. */
import type { Command } from 'commander';
import { Keeper, type KeeperReport } from '../../lambdas/application/keeper.ts';
import { type VerifyReport, verifyLedger } from '../../lambdas/application/verify.ts';
import { formatUsd } from '../../lambdas/domain/money.ts';
import { STAGES, type StageOptions, onStage, theStage } from './options.ts';
import { EXIT, usageError } from './outcome.ts';
import { withStages } from './stage-access.ts';
import { type Terminal, printJson, printTable } from './terminal.ts';

interface VerifyOptions extends StageOptions {
  readonly quiesced?: boolean;
}

interface KeepOptions extends StageOptions {
  readonly once?: boolean;
}

export function addTo(program: Command, terminal: Terminal): void {
  const ledger = program
    .command('ledger')
    .summary('prove the ledger, or run one pass of its keeper')
    .description('Prove the ledger, or run one pass of its keeper.');
  onStage(
    ledger
      .command('verify')
      .description(
        'Read everything and prove that the books agree. Exit code 1 when they do not. With --local and no --stage: both stages.',
      ),
  )
    .option('--quiesced', 'nothing writes meanwhile: compare everything, exactly')
    .action((options: VerifyOptions) => verify(options, terminal));
  onStage(
    ledger
      .command('keep')
      .description('Run the keeper: end expired holds, flush spend, raise alerts. With --local and no --stage: both stages.'),
  )
    .option('--once', 'one pass (the only way so far: npm start and the deployed keeper run all the time)')
    .action((options: KeepOptions) => keep(options, terminal));
}

function stagesOf(options: StageOptions): readonly string[] {
  return options.local === true && options.stage === undefined ? STAGES : [theStage(options)];
}

async function verify(options: VerifyOptions, terminal: Terminal): Promise<void> {
  const reports: { readonly stage: string; readonly report: VerifyReport }[] = [];
  await withStages(stagesOf(options), options, terminal, async ({ stage, store }) => {
    reports.push({ stage, report: await verifyLedger(store, options.quiesced === true) });
  });
  if (options.json === true)
    printJson(
      terminal,
      reports.length === 1
        ? reports.map(asJson)[0]
        : { stages: Object.fromEntries(reports.map((one) => [one.stage, asJson(one)])) },
    );
  else for (const one of reports) print(one.stage, one.report, terminal);
  if (reports.some(({ report }) => report.findings.length > 0)) process.exitCode = EXIT.error;
}

function print(stage: string, report: VerifyReport, terminal: Terminal): void {
  if (report.findings.length > 0) {
    printTable(
      terminal,
      ['INVARIANT', 'WHERE', 'EXPECTED', 'FOUND'],
      report.findings.map((finding) => [finding.invariant, finding.subject, finding.expectedUsd, finding.foundUsd]),
    );
    terminal.data('');
  }
  printTable(
    terminal,
    ['LEDGER', stage],
    [
      ['findings', String(report.findings.length)],
      ['spent', formatUsd(report.spentNanoUsd)],
      ['sum of entries', formatUsd(report.entriesNanoUsd)],
      ['held', formatUsd(report.heldNanoUsd)],
      ['loss', formatUsd(report.lossNanoUsd)],
      ['pots', String(report.pots)],
      ['lanes', String(report.lanes)],
      ['entries', String(report.entries)],
      ['top-ups', String(report.topUps)],
      ['moving, not compared', String(report.moving)],
    ],
  );
  terminal.say(
    report.findings.length === 0
      ? `stage ${stage}: the books agree.\n`
      : `stage ${stage}: ${report.findings.length} findings. This is a defect: keep the data and report it.\n`,
  );
}

function asJson({ stage, report }: { readonly stage: string; readonly report: VerifyReport }) {
  return {
    stage,
    findings: report.findings,
    pots: report.pots,
    lanes: report.lanes,
    entries: report.entries,
    topUps: report.topUps,
    moving: report.moving,
    spentUsd: formatUsd(report.spentNanoUsd),
    entriesUsd: formatUsd(report.entriesNanoUsd),
    heldUsd: formatUsd(report.heldNanoUsd),
    lossUsd: formatUsd(report.lossNanoUsd),
  };
}

async function keep(options: KeepOptions, terminal: Terminal): Promise<void> {
  if (options.once !== true) {
    throw usageError(
      'ledger keep runs one pass: say so with --once',
      'npm start and the deployed keeper run passes all the time.',
    );
  }
  const reports: { readonly stage: string; readonly report: KeeperReport }[] = [];
  await withStages(stagesOf(options), options, terminal, async ({ stage, store, desk, persistence, reporter, policy }) => {
    const keeper = new Keeper({ store, alerts: desk, persistence, reporter });
    reports.push({ stage, report: await keeper.pass(policy) });
  });
  if (options.json === true) {
    const stages = reports.map(({ stage, report }) => ({ stage, ...report }));
    printJson(terminal, stages.length === 1 ? stages[0] : { stages: Object.fromEntries(stages.map((one) => [one.stage, one])) });
  } else {
    printTable(
      terminal,
      ['STAGE', 'LANES', 'SETTLED', 'CHARGED', 'RELEASED', 'FLUSHED', 'CLOSED', 'DRIFTED', 'UNFINISHED'],
      reports.map(({ stage, report }) => [
        stage,
        ...[
          report.lanes,
          report.settled,
          report.charged,
          report.released,
          report.flushed,
          report.closed,
          report.drifted,
          report.unfinished,
        ].map(String),
      ]),
    );
  }
  if (reports.some(({ report }) => report.drifted > 0 || report.unfinished > 0)) process.exitCode = EXIT.error;
}
