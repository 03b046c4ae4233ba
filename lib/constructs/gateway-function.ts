/** The function behind the public API: it pays for a request, sends it on, streams the answer back and settles. */
import { Duration } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { StageFunction, type StageFunctionProps } from './stage-function.ts';

/** Lambda's longest run, ms. A call's `timeout.total` and its settlement must fit into it. */
export const GATEWAY_TIMEOUT_MS = 15 * 60_000;
/** What a settlement may take after a call's last byte, ms. */
export const SETTLE_MARGIN_MS = 60_000;

export type GatewayFunctionProps = Omit<StageFunctionProps, 'entry' | 'description' | 'timeout'>;

/**
 * Memory is a price, not a need: an environment spends almost all of its time waiting for a provider, billed by the megabyte. 256 MB hold the
 * largest body (6 MB, several copies while it is read) with room to spare; more buys CPU for cold starts and for large prompts.
 */
export class GatewayFunction extends StageFunction {
  constructor(scope: Construct, id: string, props: GatewayFunctionProps) {
    super(scope, id, {
      ...props,
      entry: 'lambdas/gateway/handler.ts',
      description: `Tollgate ${props.stage}: pays for every request before it leaves`,
      timeout: Duration.millis(GATEWAY_TIMEOUT_MS),
    });
  }
}
