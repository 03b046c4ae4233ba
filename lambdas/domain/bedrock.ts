/** Amazon Bedrock's endpoints and names: what an address says of service and region, and a model's id of geography and model. */

/** Two services, each with a signing name and rights of its own. */
export type BedrockService = 'bedrock' | 'bedrock-mantle';

export interface BedrockHost {
  readonly service: BedrockService;
  /** Such as `eu-central-1`. */
  readonly region: string;
}

/**
 * Where a host name leads; undefined when it is none of Bedrock's.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html (2026-11-24)
 */
export function findBedrockHost(hostname: string): BedrockHost | undefined {
  const match = /^(?:(bedrock-runtime)\.([a-z0-9-]+)\.amazonaws\.com|(bedrock-mantle)\.([a-z0-9-]+)\.api\.aws)$/.exec(hostname);
  if (match === null) return undefined;
  return match[1] === undefined
    ? { service: 'bedrock-mantle', region: match[4] ?? '' }
    : { service: 'bedrock', region: match[2] ?? '' };
}

/** Where an inference profile may run a request; `global` is anywhere. */
const GEOGRAPHIES: readonly string[] = ['us', 'eu', 'apac', 'au', 'jp', 'us-gov', 'global'];

export interface BedrockModel {
  /** Of an inference profile; absent: the model in the endpoint's own region. */
  readonly geography?: string;
  /** The foundation model, such as `anthropic.claude-sonnet-4-5-20250929-v1:0`. */
  readonly model: string;
}

/** Reads a model's or an inference profile's id. */
export function readBedrockModel(id: string): BedrockModel {
  const dot = id.indexOf('.');
  const geography = id.slice(0, Math.max(0, dot));
  return GEOGRAPHIES.includes(geography) ? { geography, model: id.slice(dot + 1) } : { model: id };
}
