/** Rules of a provider's address: https and nothing but host and path; loopback and no credential only locally. */
import type { Findings } from './findings.ts';
import type { ProviderInFile } from './schema.ts';

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
    if (provider.credential === 'none') checkNoCredential(provider.name, index, loopback, deployed, findings);
    else checkCredential(provider.name, index, provider.credential, findings);
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
  findings.error(path, `the credential of ${name} must be one of { secret: NAME }, { iam: SERVICE } and none`);
}
