/**
 * `npm run simulate:hot`: the production ledger on one hot wallet, under the modelled limits of DynamoDB. Prints a table in modelled
 * time; docs/hot-wallets.md explains it. A run is decided by its seed.
 */
import { parseArgs } from 'node:util';
import { HOT_WALLETS } from './support/hot-scenarios.ts';
import { type HotWalletResult, runHotWallet } from './support/hot-wallet.ts';

const USAGE = `usage: npm run simulate:hot -- [--only NAME,NAME] [--seed N]
scenarios: ${Object.keys(HOT_WALLETS).join(', ')}`;

const COLUMNS: readonly (readonly [string, (result: HotWalletResult) => string])[] = [
  ['scenario', ({ name }) => name],
  ['requests', ({ requests }) => requests.toLocaleString('en')],
  ['503', ({ unavailable }) => String(unavailable)],
  ['refused', ({ refused }) => String(refused)],
  ['false', ({ falseRefusals }) => String(falseRefusals)],
  ['hold p50 / p99 / worst, ms', ({ holdMs }) => [holdMs.p50, holdMs.p99, holdMs.worst].map(whole).join(' / ')],
  ['midnight p99', ({ midnightMs }) => (midnightMs === undefined ? '–' : whole(midnightMs.p99))],
  ['write units', ({ writesARequest }) => writesARequest.toFixed(2)],
  ['read units', ({ readsARequest }) => readsARequest.toFixed(2)],
  ['pot tx a second, mean / peak', ({ potTransactions }) => `${potTransactions.mean.toFixed(1)} / ${potTransactions.peak}`],
  ['cancelled', ({ counts }) => String(counts.cancelled)],
  ['rejected', ({ counts }) => String(counts.rejected)],
  ['throttled', ({ counts }) => String(counts.throttled)],
  ['idle, s of spend', ({ idle }) => whole(idle.seconds)],
  ['lanes', ({ lanes }) => String(lanes)],
  ['processes', ({ processes }) => String(processes)],
];

function whole(value: number): string {
  return value.toFixed(0);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

const { values } = parseArgs({ options: { only: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } } });
const names = values.only?.split(',') ?? Object.keys(HOT_WALLETS);
const seed = Number(values.seed ?? 1);
if (values.help === true || names.some((name) => HOT_WALLETS[name] === undefined) || !Number.isSafeInteger(seed)) {
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = values.help === true ? 0 : 2;
} else {
  process.stdout.write(row(COLUMNS.map(([title]) => title)) + row(COLUMNS.map(() => '---')));
  for (const name of names) {
    const scenario = HOT_WALLETS[name];
    if (scenario === undefined) continue;
    const result = await runHotWallet({ ...scenario, name, seed });
    process.stdout.write(row(COLUMNS.map(([, cell]) => cell(result))));
    if (result.findings > 0) {
      process.stderr.write(`${name}: the books do not add up (${result.findings} findings)\n`);
      process.exitCode = 1;
    }
  }
}
