/** Kept answers in memory, for tests and simulations; the same outcomes as the DynamoDB ones. */
import type { AnswerKey, AnswerStore, ClaimOutcome, ClaimRequest, StoredAnswer } from '../../application/ports-answers.ts';

interface Claim {
  readonly request: ClaimRequest;
  readonly state: 'open' | 'done' | 'lost' | 'released';
  readonly answer?: StoredAnswer;
}

export class MemoryAnswerStore implements AnswerStore {
  private readonly claims = new Map<string, Claim>();
  private readonly answers = new Map<string, { readonly answer: StoredAnswer; readonly expiresAtEpochMs: number }>();

  async claimAnswer(request: ClaimRequest): Promise<ClaimOutcome> {
    const name = nameOf(request.key);
    const standing = this.claims.get(name);
    const free =
      standing === undefined ||
      standing.state === 'released' ||
      standing.request.expiresAtEpochMs <= request.nowEpochMs ||
      (standing.state === 'open' && standing.request.owner === request.owner);
    if (free) {
      this.claims.set(name, { request, state: 'open' });
      return { kind: 'claimed' };
    }
    const { requestSha256, leaseUntilEpochMs } = standing.request;
    if (standing.state === 'open') return { kind: 'open', requestSha256, leaseUntilEpochMs };
    return standing.answer === undefined
      ? { kind: 'lost', requestSha256 }
      : { kind: 'done', requestSha256, answer: standing.answer };
  }

  async releaseClaim(request: ClaimRequest): Promise<void> {
    if (this.isOpen(request)) this.claims.set(nameOf(request.key), { request, state: 'released' });
  }

  async endClaim(request: ClaimRequest, answer: StoredAnswer | undefined): Promise<void> {
    if (!this.isOpen(request)) return;
    this.claims.set(nameOf(request.key), { request, state: answer === undefined ? 'lost' : 'done', answer });
  }

  async findAnswer(key: AnswerKey, nowEpochMs: number): Promise<StoredAnswer | undefined> {
    const kept = this.answers.get(nameOf(key));
    return kept !== undefined && kept.expiresAtEpochMs > nowEpochMs ? kept.answer : undefined;
  }

  async keepAnswer(key: AnswerKey, answer: StoredAnswer, _version: string, expiresAtEpochMs: number): Promise<void> {
    this.answers.set(nameOf(key), { answer, expiresAtEpochMs });
  }

  private isOpen({ key, owner }: ClaimRequest): boolean {
    const standing = this.claims.get(nameOf(key));
    return standing?.state === 'open' && standing.request.owner === owner;
  }
}

function nameOf({ kind, groupId, sha256 }: AnswerKey): string {
  return `${kind}#${groupId}#${sha256}`;
}
