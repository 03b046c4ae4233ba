/** The operator's side of a stage's policy in SSM: reads the set and its versions, and writes what changed, the index last. */
import {
  GetParameterHistoryCommand,
  GetParametersByPathCommand,
  ParameterNotFound,
  ParameterTier,
  PutParameterCommand,
  SSMClient,
  type SSMClientConfig,
} from '@aws-sdk/client-ssm';

export interface StoredParameter {
  readonly name: string;
  readonly value: string;
  readonly version: number;
}

/** One version of a parameter. */
export interface ParameterVersion extends StoredParameter {
  readonly atEpochMs?: number;
  /** Who wrote it: the ARN of their identity. */
  readonly by?: string;
}

const MOST_PAGES = 100;

export class PolicyParameters {
  private readonly client: SSMClient;
  private readonly prefix: string;

  /** @param prefix path without a slash at its end, such as `/tollgate/dev/policy` */
  constructor(prefix: string, client: SSMClientConfig = {}) {
    this.prefix = prefix;
    this.client = new SSMClient({
      maxAttempts: 3,
      requestHandler: { connectionTimeout: 10_000, requestTimeout: 10_000 },
      ...client,
    });
  }

  /** The set as it stands, by full name. */
  async read(): Promise<ReadonlyMap<string, StoredParameter>> {
    const all = new Map<string, StoredParameter>();
    let token: string | undefined;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const answer = await this.client.send(
        new GetParametersByPathCommand({ Path: this.prefix, Recursive: true, MaxResults: 10, NextToken: token }),
      );
      for (const { Name, Value, Version } of answer.Parameters ?? []) {
        if (Name !== undefined && Value !== undefined) all.set(Name, { name: Name, value: Value, version: Version ?? 0 });
      }
      token = answer.NextToken;
      if (token === undefined || token === '') break;
    }
    return all;
  }

  /** Newest first; SSM keeps the last 100 versions of a parameter. Empty when there is none. */
  async history(name: string): Promise<readonly ParameterVersion[]> {
    const versions: ParameterVersion[] = [];
    let token: string | undefined;
    try {
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const answer = await this.client.send(new GetParameterHistoryCommand({ Name: name, MaxResults: 50, NextToken: token }));
        for (const { Name, Value, Version, LastModifiedDate, LastModifiedUser } of answer.Parameters ?? []) {
          if (Name === undefined || Value === undefined) continue;
          versions.push({
            name: Name,
            value: Value,
            version: Version ?? 0,
            atEpochMs: LastModifiedDate?.getTime(),
            by: LastModifiedUser,
          });
        }
        token = answer.NextToken;
        if (token === undefined || token === '') break;
      }
    } catch (error) {
      if (!(error instanceof ParameterNotFound)) throw error;
    }
    return versions.toSorted((a, b) => b.version - a.version);
  }

  /** Writes one version more. The tier is found by size, as the stack states it. @returns the new version's number */
  async write(name: string, value: string): Promise<number> {
    const answer = await this.client.send(
      new PutParameterCommand({
        Name: name,
        Value: value,
        Type: 'String',
        Overwrite: true,
        Tier: ParameterTier.INTELLIGENT_TIERING,
      }),
    );
    return answer.Version ?? 0;
  }

  close(): void {
    this.client.destroy();
  }
}
