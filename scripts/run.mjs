/**
 * `npm start` and `npm test` on a machine that has only Node 20 or newer and npm: installs what the lock file states when
 * it is not there, then runs the program under the pinned Node of node_modules and passes signals on.
 * Plain JavaScript, no dependency: it runs before anything is installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const windows = process.platform === 'win32';
const node = join(root, 'node_modules', '.bin', windows ? 'node.cmd' : 'node');
const PARENT_CHECK_MS = 500;

const PROGRAMS = {
  start: ['bin/tollgate.ts', 'start'],
  test: ['scripts/test.mjs'],
};

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Whether node_modules holds what the lock file states: npm keeps its own record of what it installed. */
function isInstalled() {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(node) || !existsSync(record)) return false;
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(readFileSync(record, 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version,
    );
  } catch {
    return false;
  }
}

function install() {
  if (isInstalled()) return;
  process.stderr.write('Setting up: npm ci (once, a minute or two)\n');
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 2, 2], shell: windows });
  if (done.status !== 0) fail('npm ci failed: see its message above. Needed: a network that reaches your npm registry.');
  if (!existsSync(node)) {
    fail(
      `No pinned Node for ${process.platform}/${process.arch}: node_modules/.bin/node is missing. Install Node 24 and run bin/tollgate.ts with it.`,
    );
  }
}

const [name, ...rest] = process.argv.slice(2);
const program = PROGRAMS[name];
if (program === undefined) fail(`usage: node scripts/run.mjs ${Object.keys(PROGRAMS).join('|')} [options]`);

install();

// The channel tells the program when this process is gone, however it went.
const child = spawn(node, [...program, ...rest], { cwd: root, stdio: ['inherit', 'inherit', 'inherit', 'ipc'], shell: windows });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A terminal sends Ctrl-C to the whole group, so the program has it already.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}

/** The parent of a process; undefined where the system does not tell. */
function parentOf(pid) {
  let told;
  try {
    // Behind the name in brackets, which may hold anything: state, parent.
    told = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[1];
  } catch {
    told = spawnSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
  }
  const parent = Number.parseInt(told ?? '', 10);
  return Number.isInteger(parent) && parent > 1 ? parent : undefined;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// npm runs a shell that runs this. A shell whose npm was killed lives on, so both are watched; told once, since a second
// signal means haste.
const parent = process.ppid;
const npm = process.env.npm_command === undefined ? undefined : parentOf(parent);
const watch = setInterval(() => {
  if (process.ppid === parent && (npm === undefined || isAlive(npm))) return;
  clearInterval(watch);
  child.kill('SIGTERM');
}, PARENT_CHECK_MS);
watch.unref();
child.on('error', (error) => fail(`could not run ${node}: ${error.message}`));
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + (signal === 'SIGINT' ? 2 : 15)));
