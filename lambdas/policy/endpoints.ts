/** Rules of a provider's address: https and nothing but host and path; loopback and no credential only locally. */
import { checkBedrock } from './bedrock-endpoints.ts';
import type { Findings } from './findings.ts';
import type { ProviderInFile } from './schema.ts';
import { DEFAULT_APIS } from './protocol-apis.ts';

/** Whether an address leads to this machine. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname.toLowerCase();
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** An address without a slash at its end. */
export function normalBaseUrl(text: string): string {
  return text.replace(/\/+$/, '');
}

/** Finds what is wrong with the address and the credential of each provider. */
export function checkEndpoints(providers: readonly ProviderInFile[], deployed: boolean, findings: Findings): void {
  for (const [index, provider] of providers.entries()) {
    const path = ['providers', index, 'base_url'];
    const url = URL.canParse(provider.base_url) ? new URL(provider.base_url) : undefined;
    if (url === undefined) {
      findings.error(path, `base_url of ${provider.name} is not an address`, 'write something like https://api.example.com/v1');
      continue;
    }
    if (url.username !== '' || url.password !== '') {
      findings.error(
        path,
        `base_url of ${provider.name} carries a user name or password`,
        'put the key into credential: { secret: NAME }',
      );
    }
    if (url.search !== '' || url.hash !== '' || /[?#]/.test(provider.base_url)) {
      findings.error(path, `base_url of ${provider.name} has a query or a fragment`, 'end it with its path, such as /v1');
    }
    const loopback = isLoopback(url);
    if (!loopback && url.protocol !== 'https:') {
      findings.error(path, `base_url of ${provider.name} is not https`, 'only a loopback provider of a local stage may use http');
    }
    if (loopback && deployed) {
      const why = 'a deployed function has no provider on its own machine';
      findings.error(
        path,
        `base_url of ${provider.name} is a loopback address: ${why}`,
        'loopback providers belong to local stages',
      );
    }
    checkProtocol(provider, index, url, findings);
    checkBedrock(provider, index, url, findings);
    if (provider.credential === 'none') checkNoCredential(provider.name, index, loopback, deployed, findings);
    else checkCredential(provider.name, index, provider.credential, findings);
  }
}

/** An endpoint gets the headers of its protocol, so it serves that protocol's APIs and no other. */
function checkProtocol(provider: ProviderInFile, index: number, url: URL, findings: Findings): void {
  const { name, protocol = 'openai' } = provider;
  const own: readonly string[] = DEFAULT_APIS[protocol];
  for (const [at, api] of (provider.apis ?? []).entries()) {
    if (own.includes(api)) continue;
    const advice = `${protocol} has ${own.join(', ')}; make a second provider of the same base_url for what it speaks besides`;
    findings.error(['providers', index, 'apis', at], `${api} is no API of protocol ${protocol}, which ${name} speaks`, advice);
  }
  if (protocol !== 'anthropic') return;
  if (provider.output_cap_field !== undefined) {
    const place = ['providers', index, 'output_cap_field'];
    findings.warn(place, `output_cap_field has no effect with protocol anthropic, whose field is max_tokens`);
  }
  if (url.hostname === 'api.anthropic.com' && normalBaseUrl(url.pathname) !== '/v1') {
    const place = ['providers', index, 'base_url'];
    findings.error(place, `base_url of ${name} does not end with /v1`, 'write https://api.anthropic.com/v1');
  }
}

function checkNoCredential(name: string, index: number, loopback: boolean, deployed: boolean, findings: Findings): void {
  const path = ['providers', index, 'credential'];
  if (deployed)
    findings.error(path, `provider ${name} has credential none, which a deployed stage refuses`, 'use { secret: NAME }');
  else if (!loopback) {
    findings.error(path, `provider ${name} has credential none and is not at a loopback address`, 'use { secret: NAME }');
  }
}

function checkCredential(
  name: string,
  index: number,
  credential: { readonly secret?: string; readonly iam?: string },
  findings: Findings,
): void {
  const forms = Number(credential.secret !== undefined) + Number(credential.iam !== undefined);
  if (forms === 1) return;
  const path = ['providers', index, 'credential'];
  findings.error(path, `the credential of ${name} must be one of { secret: NAME }, { iam: bedrock } and none`);
}
