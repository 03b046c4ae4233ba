/**
 * A function of a stage: Node 24 on arm64, one minified ES module with everything inside, logs with an end, and a role that
 * starts with nothing but the right to write them.
 */
import { join } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { ApplicationLogLevel, Architecture, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { type BundlingOptions, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { type LogLevel, VARIABLES } from '../../lambdas/environment.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/**
 * How handlers become one file. No package is external: the SDK inside the runtime is older, and reading it from there is slower than from a
 * minified bundle. The banner gives CommonJS packages the `require` that an ES module lacks.
 */
export const BUNDLING: BundlingOptions = {
  format: OutputFormat.ESM,
  target: 'node24',
  minify: true,
  keepNames: false,
  sourceMap: true,
  sourcesContent: false,
  mainFields: ['module', 'main'],
  // undici's second HTTP parser, which only an environment variable that we do not set would load: 150 KB.
  externalModules: ['../milo/*'],
  // Read from the project's root, where the bundler runs.
  esbuildArgs: { '--alias:undici': './lambdas/gateway/undici-agent.mjs' },
  banner: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
};

export interface StageFunctionProps {
  /** Names the stage to the function. */
  readonly stage: string;
  /** The handler's file, from the project's root. */
  readonly entry: string;
  readonly description: string;
  readonly memoryMb: number;
  readonly timeout: Duration;
  readonly logLevel: LogLevel;
  readonly logRetention: RetentionDays;
  /** true: the logs stay when the stack goes. */
  readonly keepLogs: boolean;
}

/** A bundled function; its rights and variables come from the `grantX` methods of what it uses. */
export class StageFunction extends NodejsFunction {
  constructor(scope: Construct, id: string, props: StageFunctionProps) {
    // Both stand beside the function: a construct cannot own what its own constructor needs.
    const logGroup = new LogGroup(scope, `${id}Logs`, {
      retention: props.logRetention,
      removalPolicy: props.keepLogs ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    // Not AWSLambdaBasicExecutionRole, which may write to every log group of the account.
    const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    super(scope, id, {
      role,
      logGroup,
      entry: join(ROOT, props.entry),
      projectRoot: ROOT,
      depsLockFilePath: join(ROOT, 'package-lock.json'),
      handler: 'handler',
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMb,
      timeout: props.timeout,
      loggingFormat: LoggingFormat.JSON,
      // Lambda drops lines below this level itself, so it must be the function's own.
      applicationLogLevelV2: ApplicationLogLevel[props.logLevel],
      awsSdkConnectionReuse: false,
      bundling: BUNDLING,
      environment: {
        [VARIABLES.stage]: props.stage,
        [VARIABLES.logLevel]: props.logLevel,
        NODE_OPTIONS: '--enable-source-maps',
      },
    });
  }
}
