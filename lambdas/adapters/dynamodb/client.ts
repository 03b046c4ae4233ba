/**
 * The connection to DynamoDB: numbers as bigint, connections kept open, short deadlines, and every call sent once. Whether a
 * call is repeated is decided by the application, which knows what a second one would do.
 */
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { numberOf } from './attribute-values.ts';

/** How to reach DynamoDB. */
export interface DynamoClientOptions {
  /** A local database's address; absent: AWS. A loopback one gets placeholder credentials, which it does not check. */
  readonly endpoint?: string;
  /** Absent: as the environment says, `us-east-1` for a loopback endpoint. */
  readonly region?: string;
  /** From the request to the end of the answer, ms. @default 3000 */
  readonly requestTimeoutMs?: number;
  /** To open a connection, ms. @default 1000 */
  readonly connectTimeoutMs?: number;
  /** Connections at once. @default 256 */
  readonly maxSockets?: number;
}

/** Makes a document client as the adapters of this folder need it. */
export function createDynamoClient(options: DynamoClientOptions = {}): DynamoDBDocumentClient {
  const { endpoint, requestTimeoutMs = 3000, connectTimeoutMs = 1000, maxSockets = 256 } = options;
  const local = endpoint !== undefined && isLoopback(endpoint);
  const region = options.region ?? (local ? 'us-east-1' : undefined);
  const agent = { keepAlive: true, maxSockets };
  const config: DynamoDBClientConfig = {
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Without it a request over time is only logged; the socket's own deadline ends a body that stops in its middle.
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeoutMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(local ? { credentials: { accessKeyId: 'tollgate', secretAccessKey: 'tollgate' } } : {}),
  };
  return DynamoDBDocumentClient.from(new DynamoDBClient(config), {
    marshallOptions: { removeUndefinedValues: true },
    unmarshallOptions: { wrapNumbers: numberOf },
  });
}

/** Whether an address is on this machine. */
export function isLoopback(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false;
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
