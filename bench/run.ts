/**
 * `npm run bench` measures everything; `npm run bench -- speed` one part; `--quick` for a look while one works, which writes
 * nothing. A part gives its section of `docs/performance.md`. An aim that is missed is written down and is no error.
 */
import { parseArgs } from 'node:util';
import { type Part, writeSection } from './support/report.ts';

const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  speed: async () => (await import('./speed.ts')).speed,
  memory: async () => (await import('./memory.ts')).memory,
  'cold-start': async () => (await import('./cold-start.ts')).coldStart,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, profile: { type: 'string' }, only: { type: 'string' } },
});
const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
for (const name of names) {
  const load = PARTS[name];
  if (load === undefined) {
    process.stderr.write(`usage: npm run bench -- [${Object.keys(PARTS).join('|')}] [--quick] [--only TEXT] [--profile DIR]\n`);
    process.exit(2);
  }
  const part = await load();
  const section = await part({ quick: values.quick, profile: values.profile, only: values.only });
  process.stdout.write(`${section}\n`);
  if (!values.quick && values.only === undefined && values.profile === undefined) await writeSection(name, section);
}
