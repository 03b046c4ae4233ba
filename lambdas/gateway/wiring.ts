/** Builds the gateway of a deployed stage from its environment, and warms what its first request would wait for. */
import type { Logger } from '@aws-lambda-powertools/logger';
import { SecretsManagerSource } from '../adapters/secrets/secret-source.ts';
import { sha256Fingerprint, systemClock, systemRandom } from '../adapters/system/system.ts';
import { LedgerPayments } from '../application/ledger-payments.ts';
import type { KeyStore, PolicySource, SecretSource } from '../application/ports.ts';
import { RouteHealth } from '../application/route-health.ts';
import type { GatewayEnvironment } from '../environment.ts';
import { type Gateway, createGateway } from '../http/core.ts';
import { type StageLog, createStage } from '../stage.ts';
import { LateProvider } from './late-provider.ts';
import manifest from '../../package.json' with { type: 'json' };

/** What a cold start may spend on warming, ms: Lambda gives an init ten seconds, and the rest must fit too. */
const WARM_UP_MS = 4_000;
/** Names no key: looking it up opens the connection to the table, which would cost the first request about 125 ms. */
const NO_KEY = '0'.repeat(64);

export interface WiredGateway {
  readonly gateway: Gateway;
  /** Loads the policy, opens the connections and reads the credentials. Never rejects: what fails here is tried by a request. */
  warmUp(): Promise<void>;
}

/** Builds everything once. */
export function wireGateway(environment: GatewayEnvironment, logger: Logger): WiredGateway {
  const { store, keys, rates, answers, alerts, policies, persistence, log, ...stage } = createStage(environment, logger);
  const secrets = new SecretsManagerSource({
    prefix: environment.secretPrefix,
    clock: systemClock,
    onProblem: (message) => log.warn(message),
  });
  const payments = new LedgerPayments({ store, alerts, persistence, fingerprint: sha256Fingerprint, reporter: log });
  const provider = new LateProvider(async () => {
    const { HttpProvider } = await import('../adapters/providers/http-provider.ts');
    return new HttpProvider(secrets, log, manifest.version);
  });
  const health = new RouteHealth({ store: stage.health, clock: systemClock, random: systemRandom, log });
  const core = createGateway({
    stage: environment.stage,
    version: manifest.version,
    policies,
    keys,
    payments,
    rates,
    answers,
    providers: provider,
    health,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const gateway: Gateway = {
    async handle(request, info) {
      const { response, done } = await core.handle(request, info);
      // Alerts and health come after the settlement, and Lambda freezes what still runs when the handler ends.
      return { response, done: done.then(async () => void (await Promise.all([payments.idle(), health.idle(), alerts.idle()]))) };
    },
  };
  const warm = async (): Promise<void> => {
    // First the calls, then the code that is read while they are under way.
    const calls = warmUp(policies, keys, secrets, health, log);
    await provider.load();
    await calls;
  };
  return { gateway, warmUp: warm };
}

async function warmUp(
  policies: PolicySource,
  keys: KeyStore,
  secrets: SecretSource,
  health: RouteHealth,
  log: StageLog,
): Promise<void> {
  const credentials = async (): Promise<void> => {
    const policy = await policies.current();
    const names = policy.providers.flatMap(({ credential }) => (credential.kind === 'secret' ? [credential.name] : []));
    const calls = Promise.allSettled([...names.map((name) => secrets.find(name)), health.warmUp(policy)]);
    const signs = policy.providers.some(({ credential }) => credential.kind === 'iam');
    if (signs) await import('../adapters/providers/aws-signer.ts');
    await calls;
  };
  const work = async (): Promise<void> => {
    for (const result of await Promise.allSettled([credentials(), keys.find(NO_KEY)])) {
      if (result.status === 'rejected') log.warn('warming up was not finished', { reason: nameOf(result.reason) });
    }
  };
  await Promise.race([work(), systemClock.sleep(WARM_UP_MS)]);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown error';
}
