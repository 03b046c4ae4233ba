/**
 * The housekeeper of the ledger, once a minute: ends holds whose outcome never came, moves spend from lanes into
 * budgets, raises alerts that the gateway could not, closes idle lanes.
 */
import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import { StageFunction, type StageFunctionProps } from './stage-function.ts';

export type KeeperProps = Omit<StageFunctionProps, 'entry' | 'description' | 'timeout' | 'memoryMb'>;

/** Just below the schedule's minute, so that passes do not pile up. What a pass leaves, the next one finds. */
const PASS_TIMEOUT = Duration.seconds(55);
/**
 * A pass works through thousands of small items: 512 MB give it about a third of a CPU. 43,200 passes of one second are
 * 21,600 GB-seconds a month, $0.29 at $0.0000133 (arm64, us-east-1, 2026); an idle stage's pass takes a fraction of one.
 */
const PASS_MEMORY_MB = 512;

/** The keeper's function and its schedule. */
export class Keeper extends Construct {
  readonly function: StageFunction;

  constructor(scope: Construct, id: string, props: KeeperProps) {
    super(scope, id);
    this.function = new StageFunction(this, 'Function', {
      ...props,
      entry: 'lambdas/keeper/handler.ts',
      description: `Tollgate ${props.stage}: keeps the ledger, once a minute`,
      memoryMb: PASS_MEMORY_MB,
      timeout: PASS_TIMEOUT,
    });
    const everyMinute = new Rule(this, 'EveryMinute', {
      description: `Tollgate ${props.stage}: one pass of the ledger's keeper`,
      schedule: Schedule.rate(Duration.minutes(1)),
    });
    // A failed pass is not repeated: the next one comes within the minute and does the same work.
    everyMinute.addTarget(new LambdaTarget(this.function, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }));
  }
}
