/** A gateway on a real loopback port before real (simulated) providers, with fake money. */
import OpenAI from 'openai';
import type { AwsCredentialSource } from '../../lambdas/adapters/providers/aws-signer.ts';
import { HttpProvider } from '../../lambdas/adapters/providers/http-provider.ts';
import type { SecretSource } from '../../lambdas/application/ports.ts';
import type { Policy, Provider } from '../../lambdas/domain/policy.ts';
import type { PlainGateway } from '../../lambdas/http/core.ts';
import type { Limits } from '../../lambdas/http/limits.ts';
import { type NodeServer, startNodeServer } from '../../lambdas/http/node-entry.ts';
import { SimulatedProvider, type SimulatorOptions } from '../../lambdas/local/simulated-provider.ts';
import { FakeLog, type Fixture, type FixtureParts, fixture, policy, price, provider, route } from './gateway-fixture.ts';

export interface Live extends Fixture {
  readonly server: NodeServer;
  readonly providers: readonly [SimulatedProvider, SimulatedProvider];
  /** Every request that reached the gateway, such as `POST /v1/messages`. */
  readonly received: readonly string[];
  readonly openai: OpenAI;
  /** A raw call with the fixture's key. */
  readonly post: (body: unknown, headers?: Record<string, string>) => Promise<Response>;
  readonly stop: () => Promise<void>;
}

export interface LiveOptions extends FixtureParts {
  readonly first?: Partial<SimulatorOptions>;
  readonly second?: Partial<SimulatorOptions>;
  readonly limits?: Partial<Limits>;
  readonly policy?: Partial<Policy>;
  readonly provider?: Partial<Provider>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly headersTimeoutMs?: number;
  /** Sign requests of providers with credential `iam`. */
  readonly awsCredentials?: AwsCredentialSource;
  /** Instead of `secrets`. */
  readonly secretSource?: SecretSource;
  /** Hears what the provider's client says. */
  readonly log?: FakeLog;
}

/** Route `economy` goes to provider `first`, model `small`, then to `second`. */
export async function live(options: LiveOptions = {}): Promise<Live> {
  const first = new SimulatedProvider(options.first);
  const second = new SimulatedProvider(options.second);
  await first.start();
  await second.start();
  const inForce = policy({
    providers: [provider('first', first.baseUrl, options.provider), provider('second', second.baseUrl, options.provider)],
    routes: [route('economy', ['first/small', 'second/small'], { aliases: ['gpt-5-mini'] }), route('frontier', ['first/large'])],
    prices: [price('first', 'small'), price('second', 'small'), price('first', 'large', '10.00', '20.00')],
    ...options.policy,
  });
  const source = options.secretSource ?? { find: (name: string) => Promise.resolve(options.secrets?.[name]) };
  const client = new HttpProvider(source, options.log ?? new FakeLog(), '0.0.0-test', options.awsCredentials);
  const made = fixture(inForce, client, options.limits, options);
  const received: string[] = [];
  const counted: PlainGateway = {
    answer(request, info) {
      received.push(`${request.method} ${request.path}`);
      return made.gateway.answer(request, info);
    },
  };
  const server = await startNodeServer(counted, { port: 0, headersTimeoutMs: options.headersTimeoutMs });
  return {
    ...made,
    server,
    received,
    providers: [first, second],
    openai: new OpenAI({ apiKey: made.key, baseURL: `${server.url}/v1` }),
    post: (body, headers = {}) =>
      fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${made.key}`, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async stop() {
      await server.stop(5_000);
      await client.close();
      await first.stop();
      await second.stop();
    },
  };
}

export const MESSAGES = [{ role: 'user' as const, content: 'Say something.' }];
