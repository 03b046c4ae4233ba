/** API keys in memory, for tests and simulations. */
import type { ApiKey, KeyStore } from '../../application/ports.ts';

/** Keys by hash; the same answers as the DynamoDB one. */
export class MemoryKeyStore implements KeyStore {
  private readonly keys = new Map<string, ApiKey>();

  async find(sha256: string): Promise<ApiKey | undefined> {
    return this.keys.get(sha256);
  }

  async create(key: ApiKey): Promise<boolean> {
    if (this.keys.has(key.sha256)) return false;
    this.keys.set(key.sha256, key);
    return true;
  }

  async revoke(id: string, nowEpochMs: number): Promise<boolean> {
    const found = [...this.keys.values()].filter((key) => key.id === id);
    for (const key of found) this.keys.set(key.sha256, { ...key, revokedEpochMs: key.revokedEpochMs ?? nowEpochMs });
    return found.length > 0;
  }

  async list(): Promise<readonly ApiKey[]> {
    return [...this.keys.values()].toSorted((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
  }
}
