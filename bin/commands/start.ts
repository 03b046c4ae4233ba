/** `tollgate start`, which is what `npm start` runs: both stages on loopback until a signal ends them. */
import type { Command } from 'commander';
import { banner, openAiBaseUrl } from '../../lambdas/local/banner.ts';
import type { RunningStages } from '../../lambdas/local/stages.ts';
import { wholeNumber } from './options.ts';
import { usageError } from './outcome.ts';
import type { Terminal } from './terminal.ts';

interface StartCommandOptions {
  readonly home: string;
  readonly policy: string;
  readonly devPort: number;
  readonly prodPort: number;
  readonly consolePort: number;
  readonly demoFunds: boolean;
  readonly holdSeconds?: number;
  readonly json?: boolean;
}

const HELP = `
A provider whose credential is missing is played by a simulated one, which costs nothing. To call the real one, set its
variable: the secret NAME of the policy is NAME_API_KEY in capitals, such as OPENAI_API_KEY for the secret openai.
The database is an embedded one in the home; TOLLGATE_DYNAMODB_ENDPOINT names another.`;

/** Signals that come together mean one wish: a terminal and npm may both pass Ctrl-C on. */
const SAME_WISH_MS = 1_000;

export function addTo(program: Command, terminal: Terminal): void {
  program
    .command('start')
    .summary('start both stages on this machine')
    .description('Start both stages on this machine, on 127.0.0.1 only.')
    .option('--home <dir>', 'where the database and the keys are kept', '.tollgate')
    .option('--policy <dir>', 'directory of dev.yaml and prod.yaml', 'policy')
    .option('--dev-port <port>', 'port of stage dev; 0 picks a free one', wholeNumber('--dev-port', 0, 65_535), 4101)
    .option('--prod-port <port>', 'port of stage prod; 0 picks a free one', wholeNumber('--prod-port', 0, 65_535), 4102)
    .option(
      '--console-port <port>',
      'kept for the console: nothing listens there yet',
      wholeNumber('--console-port', 0, 65_535),
      4100,
    )
    .option('--no-demo-funds', 'leave the wallets empty; otherwise each gets its monthly plan, once')
    .option(
      '--hold-seconds <n>',
      'holds expire after so long, for tests; default: the longest call plus a minute',
      wholeNumber('--hold-seconds', 1, 86_400),
    )
    .option('--json', 'print one line of JSON on stdout when ready')
    .addHelpText('after', HELP)
    .action((options: StartCommandOptions) => start(options, terminal));
}

async function start(options: StartCommandOptions, terminal: Terminal): Promise<void> {
  if (options.devPort !== 0 && options.devPort === options.prodPort) {
    throw usageError(`--dev-port and --prod-port are both ${options.devPort}`, 'Give each stage its own.');
  }
  // Asked for from the first moment on, so that a signal during the start ends it cleanly too.
  const end = listenForTheEnd();
  // Two signals while it still starts: whatever it waits for, it is not waited for any longer.
  let ready = false;
  void end.hurried.then(() => {
    if (!ready) process.exit(1);
  });
  const { startStages } = await import('../../lambdas/local/stages.ts');
  const running = await startStages({
    home: options.home,
    policy: options.policy,
    ports: { dev: options.devPort, prod: options.prodPort },
    demoFunds: options.demoFunds,
    holdSeconds: options.holdSeconds,
    variables: process.env,
    write: (text) => void process.stderr.write(text),
  });
  ready = true;
  terminal.say(banner(running));
  if (options.json === true) terminal.data(JSON.stringify(readyLine(running)));
  terminal.say(`${await end.asked}: finishing the calls in flight (again: at once)`);
  await running.stop(end.hurried);
  terminal.say('Stopped. The home keeps everything.');
  // A client that keeps a connection open must not keep the process.
  process.exit(0);
}

function readyLine({ stages, keys }: RunningStages) {
  const facts = stages.map(({ stage, baseUrl }) => [
    stage,
    { baseUrl, openaiBaseUrl: openAiBaseUrl(baseUrl), keys: keys[stage] ?? {} },
  ]);
  return { ready: true, stages: Object.fromEntries(facts) };
}

/** The first signal, or the loss of the process that started this one, asks for the end; a second one for haste. */
function listenForTheEnd(): { readonly asked: Promise<string>; readonly hurried: Promise<void> } {
  let ask: (why: string) => void = () => undefined;
  let hurry: () => void = () => undefined;
  const asked = new Promise<string>((resolve) => {
    ask = resolve;
  });
  const hurried = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  let firstAtMs: number | undefined;
  const onSignal = (signal: string): void => {
    if (firstAtMs === undefined) {
      firstAtMs = performance.now();
      ask(signal);
    } else if (performance.now() - firstAtMs > SAME_WISH_MS) hurry();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal(signal));
  if (process.connected) {
    process.on('disconnect', () => onSignal('the process that started this is gone'));
    // Listening alone must not keep a start alive that has failed.
    process.channel?.unref();
  }
  return { asked, hurried };
}
