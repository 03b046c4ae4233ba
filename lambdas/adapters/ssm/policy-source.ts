/**
 * The policy in force, read from SSM. Parameters change one by one, so a new set counts only when it is complete; until then,
 * and whenever SSM does not answer or a set is broken, the last good one stays in force.
 */
import type { SSMClient, SSMClientConfig } from '@aws-sdk/client-ssm';
import type { Clock, PolicySource } from '../../application/ports.ts';
import type { Policy } from '../../domain/policy.ts';

/** From this age on a use of the policy starts a refresh in the background, ms. */
const REFRESH_AFTER_MS = 30_000;
/** From this age on a use waits for the refresh, ms: nobody acts on anything older. */
const STALE_AFTER_MS = 60_000;
/** After a refresh that failed, the next one waits this long, ms. */
const RETRY_AFTER_MS = 5_000;
/** A first load that finds half a change looks again this often, ms apart. */
const FIRST_LOAD_PAUSES_MS = [250, 500, 1000, 2000] as const;
/** SSM answers at most ten parameters at once; a policy of more pages than this is no policy of ours. */
const MAX_PAGES = 100;

/** No policy could be loaded: nothing can be decided. */
export class PolicyUnavailableError extends Error {
  readonly code = 'policy_unavailable';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PolicyUnavailableError';
  }
}

export interface SsmPolicySourceOptions {
  /** Path of the parameters without a slash at its end, such as `/tollgate/dev/policy`. */
  readonly prefix: string;
  /** Makes a policy of a complete set, values by full name. @throws anything when the set is incomplete or broken */
  readonly decode: (values: ReadonlyMap<string, string>) => Policy;
  readonly clock: Clock;
  /** Told of every set that was not taken, and of the policy that stays in force, where there is one. */
  readonly onProblem: (message: string, standing?: StandingPolicy) => void;
  /** The last whole policy, for a process that starts while the set is broken. @throws when there is none */
  readonly recover?: () => Promise<Policy>;
  /** Such as an endpoint. */
  readonly client?: SSMClientConfig;
}

/** What stays in force while SSM has no whole set. */
export interface StandingPolicy {
  readonly policy: Policy;
  /** Since this process first saw it, ms. */
  readonly brokenForMs: number;
}

interface Loaded {
  readonly policy: Policy;
  readonly index: string | undefined;
  /** When SSM was last seen to hold this set. */
  confirmedEpochMs: number;
}

/** Policy from SSM Parameter Store. */
export class SsmPolicySource implements PolicySource {
  private readonly options: SsmPolicySourceOptions;
  private loaded: Loaded | undefined;
  private refreshing: Promise<void> | undefined;
  private triedEpochMs = Number.NEGATIVE_INFINITY;
  private brokenSinceEpochMs: number | undefined;
  private client: SSMClient | undefined;

  constructor(options: SsmPolicySourceOptions) {
    this.options = options;
  }

  /** @throws PolicyUnavailableError while no policy was ever loaded */
  async current(): Promise<Policy> {
    const { clock } = this.options;
    const loaded = this.loaded;
    if (!loaded) {
      await this.refreshOnce();
      return this.inForce();
    }
    const now = clock.now();
    const age = now - loaded.confirmedEpochMs;
    if (age >= REFRESH_AFTER_MS && now - this.triedEpochMs >= RETRY_AFTER_MS) {
      const refresh = this.refreshOnce();
      // A frozen environment wakes with an old policy: its first request waits for the new one.
      if (age >= STALE_AFTER_MS) await refresh;
    } else if (age >= STALE_AFTER_MS && this.refreshing) {
      await this.refreshing;
    }
    return this.inForce();
  }

  private inForce(): Policy {
    if (!this.loaded) throw new PolicyUnavailableError(`no policy under ${this.options.prefix} could be loaded`);
    return this.loaded.policy;
  }

  /** One refresh at a time; never rejects once a policy is loaded. */
  private refreshOnce(): Promise<void> {
    this.triedEpochMs = this.options.clock.now();
    this.refreshing ??= (this.loaded ? this.refresh(this.loaded) : this.firstLoad()).finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  private async firstLoad(): Promise<void> {
    for (const pause of [...FIRST_LOAD_PAUSES_MS, undefined]) {
      try {
        this.loaded = await this.load();
        return;
      } catch (error) {
        if (pause === undefined) {
          this.loaded = await this.recovered();
          this.tell(error);
          if (this.loaded !== undefined) return;
          throw new PolicyUnavailableError(`no policy under ${this.options.prefix}: ${describe(error)}`, { cause: error });
        }
        await this.options.clock.sleep(pause);
      }
    }
  }

  private async refresh(old: Loaded): Promise<void> {
    try {
      const now = this.options.clock.now();
      // The index holds the hash of every part, so one small read tells whether anything changed.
      if (old.index !== undefined && (await this.readIndex()) === old.index) old.confirmedEpochMs = now;
      else this.loaded = await this.load();
      this.brokenSinceEpochMs = undefined;
    } catch (error) {
      this.tell(error);
    }
  }

  private async recovered(): Promise<Loaded | undefined> {
    try {
      const policy = await this.options.recover?.();
      return policy && { policy, index: undefined, confirmedEpochMs: this.options.clock.now() };
    } catch (error) {
      this.options.onProblem(`no former policy either: ${describe(error)}`);
      return undefined;
    }
  }

  private tell(error: unknown): void {
    const now = this.options.clock.now();
    this.brokenSinceEpochMs ??= now;
    const standing = this.loaded && { policy: this.loaded.policy, brokenForMs: now - this.brokenSinceEpochMs };
    this.options.onProblem(describe(error), standing);
  }

  private async load(): Promise<Loaded> {
    const startedEpochMs = this.options.clock.now();
    const values = await this.readAll();
    if (values.size === 0) throw new PolicyUnavailableError(`there are no parameters under ${this.options.prefix}`);
    const policy = this.options.decode(values);
    return { policy, index: values.get(this.indexName), confirmedEpochMs: startedEpochMs };
  }

  private async readAll(): Promise<ReadonlyMap<string, string>> {
    const { client, GetParametersByPathCommand } = await this.connection();
    const values = new Map<string, string>();
    let token: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const answer = await client.send(
        new GetParametersByPathCommand({ Path: this.options.prefix, Recursive: true, MaxResults: 10, NextToken: token }),
      );
      for (const { Name, Value } of answer.Parameters ?? []) {
        if (Name !== undefined && Value !== undefined) values.set(Name, Value);
      }
      token = answer.NextToken;
      if (token === undefined || token === '') return values;
    }
    throw new PolicyUnavailableError(`there are more than ${MAX_PAGES * 10} parameters under ${this.options.prefix}`);
  }

  private async readIndex(): Promise<string | undefined> {
    const { client, GetParameterCommand } = await this.connection();
    const answer = await client.send(new GetParameterCommand({ Name: this.indexName }));
    return answer.Parameter?.Value;
  }

  /** Loads the SDK's client at its first use. */
  private async connection() {
    const { SSMClient, ...commands } = await import('./client.ts');
    this.client ??= new SSMClient({
      maxAttempts: 3,
      requestHandler: { connectionTimeout: 1000, requestTimeout: 2000, throwOnRequestTimeout: true },
      ...this.options.client,
    });
    return { client: this.client, ...commands };
  }

  private get indexName(): string {
    return `${this.options.prefix}/index`;
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'an unknown error';
}
