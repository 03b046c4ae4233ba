/** Rules of a provider at Amazon Bedrock, and of `credential: { iam: bedrock }`, which belongs to no other address. */
import { type BedrockHost, findBedrockHost } from '../domain/bedrock.ts';
import type { Findings } from './findings.ts';
import { BEDROCK_APIS } from './protocol-apis.ts';
import type { ProviderInFile, RouteInFile } from './schema.ts';

/** Below which paths each service has each protocol. The first is the one that is advised. */
const PATHS = {
  bedrock: { openai: ['/openai/v1'], anthropic: [''] },
  'bedrock-mantle': { openai: ['/v1', '/openai/v1'], anthropic: ['/anthropic/v1'] },
} as const;

/** A model's or an inference profile's id: what a price and a right can be given for. */
const MODEL_ID = /^[a-z0-9][a-z0-9.:-]*$/;

/** Finds what is wrong with the address, the credential and the APIs of a provider at Bedrock. */
export function checkBedrock(provider: ProviderInFile, index: number, url: URL, findings: Findings): void {
  const { name, credential, protocol = 'openai' } = provider;
  const iam = credential === 'none' || credential.secret !== undefined ? undefined : credential.iam;
  const host = findBedrockHost(url.hostname);
  if (iam !== undefined && iam !== 'bedrock') {
    const place = ['providers', index, 'credential', 'iam'];
    findings.error(place, `requests of ${name} cannot be signed for '${iam}'`, 'write { iam: bedrock }, the only service');
  }
  if (host === undefined) {
    if (iam === undefined) return;
    const message = `base_url of ${name} is none of Amazon Bedrock's, and a request signed by the function's role is for Bedrock only`;
    const path = PATHS.bedrock[protocol][0];
    const advice = `write https://bedrock-runtime.REGION.amazonaws.com${path}, or use { secret: NAME }`;
    findings.error(['providers', index, 'base_url'], message, advice);
    return;
  }
  checkPath(name, protocol, host, index, url, findings);
  const known: readonly string[] = BEDROCK_APIS[protocol];
  for (const [at, api] of (provider.apis ?? []).entries()) {
    if (known.includes(api)) continue;
    const message = `${api} is nothing that Bedrock serves at this endpoint`;
    findings.error(['providers', index, 'apis', at], message, `it has ${known.join(', ')} for protocol ${protocol}`);
  }
  if (iam === undefined && host.service === 'bedrock' && protocol === 'anthropic') {
    const message = `InvokeModel of ${name} takes signed requests here and no key`;
    findings.error(['providers', index, 'credential'], message, 'write { iam: bedrock }');
  }
}

/** A target at an endpoint that is reached by a role names its model by id. */
export function checkBedrockTargets(
  providers: readonly ProviderInFile[],
  routes: readonly RouteInFile[],
  findings: Findings,
): void {
  const signed = providers.flatMap(({ name, credential }) =>
    credential !== 'none' && credential.iam !== undefined ? [name] : [],
  );
  for (const [index, { targets }] of routes.entries()) {
    for (const [at, { provider, model }] of targets.entries()) {
      if (!signed.includes(provider) || MODEL_ID.test(model)) continue;
      const message = `'${model}' is no id of a model or inference profile at Bedrock, and neither price nor right can be given for it`;
      const advice = 'write an id such as eu.anthropic.claude-sonnet-4-5-20250929-v1:0, no ARN';
      findings.error(['routes', index, 'targets', at, 'model'], message, advice);
    }
  }
}

function checkPath(
  name: string,
  protocol: 'openai' | 'anthropic',
  host: BedrockHost,
  index: number,
  url: URL,
  findings: Findings,
): void {
  const paths: readonly string[] = PATHS[host.service][protocol];
  if (paths.includes(url.pathname.replace(/\/+$/, ''))) return;
  const message = `base_url of ${name} has no path of protocol ${protocol} at ${host.service}`;
  const advice = `write ${paths.map((path) => `https://${url.hostname}${path}`).join(' or ')}`;
  findings.error(['providers', index, 'base_url'], message, advice);
}
