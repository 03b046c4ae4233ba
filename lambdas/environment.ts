/**
 * What a deployed function is told by its environment, and under which names. The constructs in `lib` write these variables, the handlers
 * read them, and both take the names from here. Everything else that a function knows comes from its stage's policy.
 */

/** Names of the environment variables. */
export const VARIABLES = {
  stage: 'TOLLGATE_STAGE',
  table: 'TOLLGATE_TABLE',
  alertTopicArn: 'TOLLGATE_ALERT_TOPIC_ARN',
  parameterPrefix: 'TOLLGATE_PARAMETER_PREFIX',
  secretPrefix: 'TOLLGATE_SECRET_PREFIX',
  logLevel: 'TOLLGATE_LOG_LEVEL',
} as const;

/** Levels that a function may log at. */
export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names a stage: 2–16 characters of a–z, 0–9 and `-`, beginning with a letter. */
const STAGE = /^[a-z][a-z0-9-]{1,15}$/;

/** What every function of a stage is told. */
export interface Environment {
  readonly stage: string;
  readonly table: string;
  readonly alertTopicArn: string;
  /** SSM path of the policy, without a slash at its end. */
  readonly parameterPrefix: string;
  readonly logLevel: LogLevel;
}

/** What the gateway is told on top: it alone reads the providers' credentials. */
export interface GatewayEnvironment extends Environment {
  /** What the names of the stage's secrets begin with, a slash at its end. */
  readonly secretPrefix: string;
}

/** SSM path under which a stage's policy lies. */
export function policyPrefixOf(stage: string): string {
  return `/tollgate/${stage}/policy`;
}

/** Name of the SSM parameter that tells the operator's tools where the stage is: JSON with `table`, `topicArn`, `baseUrl`. */
export function deploymentParameterOf(stage: string): string {
  return `/tollgate/${stage}/deployment`;
}

/** What the names of a stage's secrets in Secrets Manager begin with. */
export function secretPrefixOf(stage: string): string {
  return `tollgate/${stage}/`;
}

/** The environment of a function is incomplete or belongs to two stages. */
export class InvalidEnvironmentError extends Error {
  readonly code = 'invalid_environment';
  constructor(problems: readonly string[]) {
    super(`this function cannot start: ${problems.join('; ')}. Deploy the stage's stack again; it sets these variables.`);
    this.name = 'InvalidEnvironmentError';
  }
}

/** Collects every problem before it complains, so that one look at the log tells all. */
class Reader {
  readonly problems: string[] = [];
  private readonly variables: Readonly<Record<string, string | undefined>>;

  constructor(variables: Readonly<Record<string, string | undefined>>) {
    this.variables = variables;
  }

  read(name: string, accept: (value: string) => boolean, expected: string): string {
    const value = this.variables[name] ?? '';
    if (value === '') this.problems.push(`${name} is not set (${expected})`);
    else if (!accept(value)) this.problems.push(`${name} is '${value.slice(0, 80)}', expected ${expected}`);
    return value;
  }

  base(): Environment {
    const stage = this.read(VARIABLES.stage, (value) => STAGE.test(value), 'a stage name such as dev');
    const table = this.read(VARIABLES.table, (value) => /^[A-Za-z0-9_.-]{3,255}$/.test(value), 'a table name');
    const alertTopicArn = this.read(VARIABLES.alertTopicArn, (value) => /^arn:[^:]+:sns:/.test(value), 'the ARN of an SNS topic');
    // The stage is part of the prefixes: a function can be given no other stage's policy or credentials.
    const prefix = policyPrefixOf(stage);
    const parameterPrefix = this.read(VARIABLES.parameterPrefix, (value) => value === prefix, prefix);
    const level = this.variables[VARIABLES.logLevel] ?? 'INFO';
    const logLevel = LOG_LEVELS.find((known) => known === level);
    if (!logLevel)
      this.problems.push(`${VARIABLES.logLevel} is '${level.slice(0, 80)}', expected one of ${LOG_LEVELS.join(', ')}`);
    return { stage, table, alertTopicArn, parameterPrefix, logLevel: logLevel ?? 'INFO' };
  }

  check(): void {
    if (this.problems.length > 0) throw new InvalidEnvironmentError(this.problems);
  }
}

/**
 * Reads and checks a function's environment, once, when it starts.
 * @param variables such as `process.env`
 * @throws InvalidEnvironmentError naming every variable that is missing or malformed
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const reader = new Reader(variables);
  const environment = reader.base();
  reader.check();
  return environment;
}

/**
 * Reads and checks the gateway's environment, once, when it starts.
 * @throws InvalidEnvironmentError naming every variable that is missing or malformed
 */
export function readGatewayEnvironment(variables: Readonly<Record<string, string | undefined>>): GatewayEnvironment {
  const reader = new Reader(variables);
  const base = reader.base();
  const prefix = secretPrefixOf(base.stage);
  const secretPrefix = reader.read(VARIABLES.secretPrefix, (value) => value === prefix, prefix);
  reader.check();
  return { ...base, secretPrefix };
}
