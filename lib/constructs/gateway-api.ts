/**
 * The stage's public door: a regional REST API (HTTP APIs do not stream) that hands every path to the gateway function and
 * streams its answer. Errors that API Gateway makes itself carry the same shape and headers as the gateway's own.
 */
import { Duration } from 'aws-cdk-lib';
import {
  EndpointType,
  LambdaIntegration,
  MethodLoggingLevel,
  ResponseTransferMode,
  ResponseType,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { GATEWAY_TIMEOUT_MS } from './gateway-function.ts';

export interface GatewayApiProps {
  readonly stage: string;
  readonly handler: LambdaFunction;
  /** Requests a second that the API lets through, over all callers; more get 429. A shield for the account's Lambda concurrency. */
  readonly requestsPerSecond: number;
  /** Requests that may come at once on top of that. */
  readonly burst: number;
}

interface OwnError {
  readonly id: string;
  readonly type: ResponseType;
  readonly code: string;
  readonly kind: string;
  /** Absent: API Gateway's own. */
  readonly status?: string;
  /** Absent: API Gateway's own words. */
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Static header values are quoted twice: the inner quotes say that it is no reference to the request. */
const NO_RETRY = { 'x-should-retry': "'false'" };

/** What API Gateway may answer by itself. Specific types first; the defaults take every other one of their class. */
const OWN_ERRORS: readonly OwnError[] = [
  {
    id: 'Throttled',
    type: ResponseType.THROTTLED,
    code: 'rate_limit_exceeded',
    kind: 'rate_limit_error',
    message: 'The stage takes no more requests this second. Try again.',
    headers: { 'retry-after': "'1'" },
  },
  {
    id: 'TooLarge',
    type: ResponseType.REQUEST_TOO_LARGE,
    code: 'invalid_request',
    kind: 'invalid_request_error',
    message: 'The request is larger than 6 MB.',
  },
  {
    id: 'NoSuchPath',
    type: ResponseType.MISSING_AUTHENTICATION_TOKEN,
    code: 'not_found',
    kind: 'invalid_request_error',
    status: '404',
    message: 'There is no such path. The base URL ends in the stage name; OpenAI clients add /v1.',
  },
  {
    // A call that ran into the limit may have been sent and paid for, so SDKs must not send it again by themselves.
    id: 'TimedOut',
    type: ResponseType.INTEGRATION_TIMEOUT,
    code: 'gateway_timeout',
    kind: 'server_error',
    message: 'The call took longer than 15 minutes.',
    headers: NO_RETRY,
  },
  {
    id: 'Failed',
    type: ResponseType.INTEGRATION_FAILURE,
    code: 'internal_error',
    kind: 'server_error',
    status: '502',
    message: 'The gateway could not answer. Whether the request was sent is not known; the ledger settles it either way.',
  },
  { id: 'Default4xx', type: ResponseType.DEFAULT_4XX, code: 'invalid_request', kind: 'invalid_request_error' },
  { id: 'Default5xx', type: ResponseType.DEFAULT_5XX, code: 'internal_error', kind: 'server_error' },
];

/**
 * One body for both families of clients, since a gateway response cannot tell paths apart: OpenAI's SDKs read `error`, Anthropic's
 * `type` and `error` as well.
 */
function bodyOf({ code, kind, message }: OwnError): string {
  const text = message === undefined ? '$context.error.messageString' : JSON.stringify(message);
  return `{"type":"error","error":{"message":${text},"type":"${kind}","param":null,"code":"${code}"},"request_id":"$context.requestId"}`;
}

/** The REST API of a stage. */
export class GatewayApi extends Construct {
  readonly api: RestApi;

  constructor(scope: Construct, id: string, props: GatewayApiProps) {
    super(scope, id);
    const integration = new LambdaIntegration(props.handler, {
      responseTransferMode: ResponseTransferMode.STREAM,
      timeout: Duration.millis(GATEWAY_TIMEOUT_MS),
      allowTestInvoke: false,
    });
    this.api = new RestApi(this, 'Api', {
      restApiName: `tollgate-${props.stage}`,
      description: `Tollgate ${props.stage}: the address that apps call`,
      endpointConfiguration: { types: [EndpointType.REGIONAL] },
      // API Gateway's logs need a role that the whole account shares, and stages share nothing: the function logs each request.
      cloudWatchRole: false,
      deployOptions: {
        stageName: props.stage,
        loggingLevel: MethodLoggingLevel.OFF,
        dataTraceEnabled: false,
        metricsEnabled: true,
        throttlingRateLimit: props.requestsPerSecond,
        throttlingBurstLimit: props.burst,
      },
      defaultIntegration: integration,
    });
    // Its own output ends in a slash, which clients would double; the stack tells both forms instead.
    this.api.node.tryRemoveChild('Endpoint');
    this.api.root.addMethod('ANY');
    this.api.root.addProxy({ anyMethod: true });

    for (const own of OWN_ERRORS) {
      this.api.addGatewayResponse(own.id, {
        type: own.type,
        statusCode: own.status,
        responseHeaders: { 'x-request-id': 'context.requestId', 'request-id': 'context.requestId', ...own.headers },
        templates: { 'application/json': bodyOf(own) },
      });
    }
  }

  /** What Anthropic's clients take: the root, without a slash at its end. */
  get rootUrl(): string {
    return `https://${this.api.restApiId}.execute-api.${this.api.stack.region}.${this.api.stack.urlSuffix}/${this.api.deploymentStage.stageName}`;
  }

  /** What OpenAI's clients take. */
  get openAiUrl(): string {
    return `${this.rootUrl}/v1`;
  }
}
