/**
 * A function of a stage: Node 24 on arm64, its code bundled in this process, logs with an end, and a role that starts with
 * nothing but the right to write them.
 */
import { join } from 'node:path';
import { AssetHashType, DockerImage, type Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { type LogLevel, VARIABLES } from '../../lambdas/environment.ts';
import { bundleHandler } from '../bundle.ts';

const ROOT = join(import.meta.dirname, '..', '..');

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
export class StageFunction extends LambdaFunction {
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
      code: bundled(props.entry),
      handler: 'index.handler',
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMb,
      timeout: props.timeout,
      loggingFormat: LoggingFormat.JSON,
      // Lambda drops lines below this level itself, so it must be the function's own.
      applicationLogLevelV2: ApplicationLogLevel[props.logLevel],
      environment: {
        [VARIABLES.stage]: props.stage,
        [VARIABLES.logLevel]: props.logLevel,
        NODE_OPTIONS: '--enable-source-maps',
      },
    });
  }
}

/** A handler's bundle as an asset, made while the stack is synthesised; its hash is of what came out. */
function bundled(entry: string): Code {
  return Code.fromAsset(ROOT, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // CDK asks for an image even where none is used.
      image: DockerImage.fromRegistry('none'),
      // Never run. CDK tells one bundle from another by these words, not by what the function below does.
      command: [entry],
      local: {
        tryBundle: (folder) => {
          bundleHandler(entry, folder);
          return true;
        },
      },
    },
  });
}
