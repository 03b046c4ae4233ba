/**
 * Which providers of a local stage are real. One whose credential is in the environment, or that needs none, is called;
 * every other is played by a simulated provider, which costs nothing outside and whose usage is priced as the real one's. It speaks the
 * protocol's own form: InvokeModel on Bedrock is played as Anthropic's API.
 */
import type { SecretSource } from '../application/ports.ts';
import type { Policy, Provider } from '../domain/policy.ts';
import { credentialVariable } from './environment-secrets.ts';

/** The variable that lets a local stage sign requests: `1` or absent. */
export const AWS_VARIABLE = 'TOLLGATE_USE_AWS_CREDENTIALS';

/** How a provider of a stage is played, for the banner. */
export interface ProviderPlay {
  readonly stage: string;
  readonly provider: string;
  /** Where the simulated provider listens; absent: the real one is called. */
  readonly simulatedAt?: string;
  /** What would make it real, or why it is. */
  readonly reason: string;
}

export interface LocalProviders {
  /** The policy with the simulated providers' addresses in place of the real ones. */
  readonly policy: Policy;
  readonly plays: readonly ProviderPlay[];
}

/**
 * Decides for each provider, and starts simulated ones where they are needed.
 * @param useAws whether an IAM provider is called with this machine's AWS credentials
 * @param simulate gives the base URL of a simulated provider that plays this one
 */
export async function playProviders(
  policy: Policy,
  secrets: SecretSource,
  useAws: boolean,
  simulate: (provider: Provider) => Promise<string>,
): Promise<LocalProviders> {
  const providers: Provider[] = [];
  const plays: ProviderPlay[] = [];
  for (const provider of policy.providers) {
    const { real, reason } = await decide(provider, secrets, useAws);
    if (real) {
      plays.push({ stage: policy.stage, provider: provider.name, reason });
      providers.push(provider);
      continue;
    }
    const baseUrl = await simulate(provider);
    plays.push({ stage: policy.stage, provider: provider.name, simulatedAt: baseUrl, reason });
    providers.push({ ...provider, baseUrl, credential: { kind: 'none' } });
  }
  return { policy: { ...policy, providers }, plays };
}

async function decide(
  { credential, baseUrl }: Provider,
  secrets: SecretSource,
  useAws: boolean,
): Promise<{ readonly real: boolean; readonly reason: string }> {
  switch (credential.kind) {
    case 'none':
      return { real: true, reason: `at ${baseUrl}, without a credential` };
    case 'secret': {
      const variable = credentialVariable(credential.name);
      const real = (await secrets.find(credential.name)) !== undefined;
      return { real, reason: real ? `with ${variable}` : `set ${variable} to call the real one` };
    }
    case 'iam':
      // Credentials of AWS are on many machines for other ends: that they are there asks for no calls that cost.
      return useAws
        ? { real: true, reason: `signed with this machine's AWS credentials (${AWS_VARIABLE}=1)` }
        : { real: false, reason: `set ${AWS_VARIABLE}=1 to call the real one with this machine's AWS credentials` };
    default:
      return credential satisfies never;
  }
}
