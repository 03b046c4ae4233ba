/** The providers' client, loaded while a cold start waits for its first answers: its connection pool is the largest part of the code. */
import type { ProviderCall, ProviderClient, ProviderReply } from '../application/ports-provider.ts';

/** Loads a client once, at the first send or before. */
export class LateProvider implements ProviderClient {
  private loading: Promise<ProviderClient> | undefined;
  private readonly make: () => Promise<ProviderClient>;

  /** @param make imports and builds the client */
  constructor(make: () => Promise<ProviderClient>) {
    this.make = make;
  }

  /** @throws when the code cannot be read: then nothing works and the start should fail */
  load(): Promise<ProviderClient> {
    this.loading ??= this.make();
    return this.loading;
  }

  async send(call: ProviderCall): Promise<ProviderReply> {
    return (await this.load()).send(call);
  }
}
