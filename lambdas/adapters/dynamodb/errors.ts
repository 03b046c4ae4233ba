/**
 * What the SDK throws, as the ledger understands it: a condition that failed (an outcome), certainly not applied (try again),
 * nobody knows (the caller must find out), or a defect (the call itself is wrong).
 *
 * A connection that was never made (refused, unknown host, no socket in time) sent nothing, so it is NotAppliedError and safe to try again.
 * From the moment that bytes may have left, a lost answer is UnknownOutcomeError, and so is everything that nobody listed.
 */
import {
  type CancellationReason,
  ConditionalCheckFailedException,
  DynamoDBServiceException,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import { NotAppliedError, UnknownOutcomeError } from '../../application/ports.ts';
import { type PlainItem, plainItem } from './attribute-values.ts';

/** Exceptions that say: not done, come back. */
const NOT_APPLIED = new Set([
  'TransactionConflictException',
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'ThrottlingError',
  'Throttling',
  'RequestLimitExceeded',
  'LimitExceededException',
  'TooManyRequestsException',
]);

/** Reasons of a cancelled transaction that say the same. */
const NOT_APPLIED_REASONS = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

/** System errors before a connection stands. */
const NEVER_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']);

/** Errors that the SDK throws before it sends: there is nothing to sign with. */
const NEVER_SENT = new Set(['CredentialsProviderError', 'ProviderError', 'TokenProviderError']);

/** An item whose condition failed, as it stood; `item` is absent when there is none. */
export interface FailedCondition {
  readonly item?: PlainItem;
}

/** The failed condition of a single write; undefined when the error is another one. */
export function failedCondition(error: unknown): FailedCondition | undefined {
  if (!(error instanceof ConditionalCheckFailedException)) return undefined;
  return error.Item ? { item: plainItem(error.Item) } : {};
}

/**
 * The failed conditions of a cancelled transaction, by position of the item; undefined when the error is no answer about conditions.
 * When another writer was in the way of any item, the conditions of the others are no final answer either: not applied.
 */
export function failedConditions(error: unknown): readonly (FailedCondition | undefined)[] | undefined {
  if (!(error instanceof TransactionCanceledException)) return undefined;
  const reasons = error.CancellationReasons ?? [];
  const onlyConditions = reasons.every((reason) => isNone(reason) || reason.Code === 'ConditionalCheckFailed');
  if (!onlyConditions || reasons.every(isNone)) return undefined;
  return reasons.map((reason) => (isNone(reason) ? undefined : reason.Item ? { item: plainItem(reason.Item) } : {}));
}

function isNone(reason: CancellationReason): boolean {
  return reason.Code === undefined || reason.Code === 'None';
}

/**
 * Any other error of a call.
 * @param operation what was asked, for the message
 */
export function translateError(error: unknown, operation: string): Error {
  const name = textOf(error, 'name') || 'Error';
  const options = { cause: error };
  if (error instanceof TransactionCanceledException) return translateCancellation(error, operation);
  if (NOT_APPLIED.has(name)) return new NotAppliedError(`${operation}: the database did not take it (${name})`, options);
  if (NEVER_CONNECTED.has(systemCode(error)) || isConnectTimeout(error)) {
    return new NotAppliedError(`${operation}: no connection to the database (${systemCode(error) || name})`, {
      ...options,
      unreachable: true,
    });
  }
  if (NEVER_SENT.has(name)) return new Error(`${operation}: there are no credentials for the database (${name})`, options);
  if (name === 'ResourceNotFoundException') return new Error(`${operation}: the ledger's table does not exist`, options);
  if (error instanceof DynamoDBServiceException && isClientFault(error)) {
    return new Error(`${operation}: the database refused the call (${name}: ${error.message})`, options);
  }
  return new UnknownOutcomeError(`${operation}: the database gave no answer (${systemCode(error) || name})`, options);
}

function translateCancellation(error: TransactionCanceledException, operation: string): Error {
  const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None');
  const options = { cause: error };
  const defect = codes.find((code) => code !== 'None' && code !== 'ConditionalCheckFailed' && !NOT_APPLIED_REASONS.has(code));
  if (defect !== undefined) {
    const at = codes.indexOf(defect);
    const message = error.CancellationReasons?.[at]?.Message ?? '';
    return new Error(`${operation}: the database refused item ${at} of the transaction (${defect}: ${message})`, options);
  }
  return new NotAppliedError(`${operation}: another writer was in the way (${codes.join(', ')})`, options);
}

function isClientFault(error: DynamoDBServiceException): boolean {
  const status = error.$metadata.httpStatusCode ?? 0;
  return status >= 400 && status < 500;
}

function systemCode(error: unknown): string {
  const code = textOf(error, 'code');
  if (code !== '') return code;
  // Several addresses were tried (localhost as ::1 and 127.0.0.1): what the first one met.
  const errors: unknown = typeof error === 'object' && error !== null && 'errors' in error ? error.errors : undefined;
  return Array.isArray(errors) ? textOf(errors[0], 'code') : '';
}

/** By shape and not by class: an error of Node's own may come from another realm. */
function textOf(error: unknown, field: 'name' | 'code' | 'message'): string {
  if (typeof error !== 'object' || error === null) return '';
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : '';
}

/** @see @smithy/node-http-handler 4.14.2, set-connection-timeout, seen 2026-11-23: it has a name of its own only in its text */
function isConnectTimeout(error: unknown): boolean {
  return textOf(error, 'name') === 'TimeoutError' && textOf(error, 'message').includes('did not establish a connection');
}
