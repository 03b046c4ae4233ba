/** What the SDK throws, made by the SDK's own classes, and what the ledger makes of it. */
import {
  ConditionalCheckFailedException,
  DynamoDBServiceException,
  InternalServerError,
  ProvisionedThroughputExceededException,
  RequestLimitExceeded,
  ResourceNotFoundException,
  ThrottlingException,
  TransactionCanceledException,
  TransactionConflictException,
} from '@aws-sdk/client-dynamodb';
import { failedCondition, failedConditions, translateError } from '../../lambdas/adapters/dynamodb/errors.ts';
import { NotAppliedError, UnknownOutcomeError } from '../../lambdas/application/ports.ts';

const $metadata = { httpStatusCode: 400 };
const message = 'm';

function cancelled(...codes: readonly string[]): TransactionCanceledException {
  return new TransactionCanceledException({
    $metadata,
    message,
    CancellationReasons: codes.map((Code) => ({ Code, Message: `${Code}!` })),
  });
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function named(name: string, text = name): Error {
  return Object.assign(new Error(text), { name });
}

test('a failed condition gives the old item with plain values, and money as bigint', () => {
  const error = new ConditionalCheckFailedException({
    $metadata,
    message,
    Item: {
      pk: { S: 'LANE#x#0' },
      a: { N: '9007199254740993000' },
      h: { M: { h1: { N: '5' }, h2: { L: [{ N: '7' }, { S: 'ann' }] } } },
      chain: { L: [{ S: 'wallet/a#life' }] },
      flag: { BOOL: true },
      none: { NULL: true },
      odd: { N: '1.5' },
    },
  });
  expect(failedCondition(error)).toEqual({
    item: {
      pk: 'LANE#x#0',
      a: 9007199254740993000n,
      h: { h1: 5n, h2: [7n, 'ann'] },
      chain: ['wallet/a#life'],
      flag: true,
      none: null,
      odd: '1.5',
    },
  });
});

test('a failed condition on an item that is not there has no item', () => {
  expect(failedCondition(new ConditionalCheckFailedException({ $metadata, message }))).toEqual({});
  expect(failedCondition(new ThrottlingException({ $metadata, message }))).toBeUndefined();
});

test('a cancelled transaction tells which items refused, by position', () => {
  const error = new TransactionCanceledException({
    $metadata,
    message,
    CancellationReasons: [
      { Code: 'None' },
      { Code: 'ConditionalCheckFailed', Item: { available: { N: '3' } } },
      { Code: 'ConditionalCheckFailed' },
    ],
  });
  expect(failedConditions(error)).toEqual([undefined, { item: { available: 3n } }, {}]);
});

test.each(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded'])(
  'a transaction cancelled by %s was not applied, and conditions that failed beside it are no answer',
  (code) => {
    for (const error of [cancelled('None', code), cancelled('ConditionalCheckFailed', code)]) {
      expect(failedConditions(error)).toBeUndefined();
      expect(translateError(error, 'grant')).toBeInstanceOf(NotAppliedError);
    }
  },
);

test.each(['ValidationError', 'DuplicateItem', 'ItemCollectionSizeLimitExceeded'])(
  'a transaction cancelled by %s is a defect that names the item, not something to try again',
  (code) => {
    const error = translateError(cancelled('None', code), 'grant');
    expect(error).not.toBeInstanceOf(NotAppliedError);
    expect(error).not.toBeInstanceOf(UnknownOutcomeError);
    expect(error.message).toBe(`grant: the database refused item 1 of the transaction (${code}: ${code}!)`);
  },
);

test.each([
  ['a conflict with a transaction', new TransactionConflictException({ $metadata, message })],
  ['throughput', new ProvisionedThroughputExceededException({ $metadata, message })],
  ['throttling', new ThrottlingException({ $metadata, message })],
  ['the request limit', new RequestLimitExceeded({ $metadata, message })],
  ['a refused connection', systemError('ECONNREFUSED')],
  ['an unknown host', systemError('ENOTFOUND')],
  ['two refused addresses', new AggregateError([systemError('ECONNREFUSED'), systemError('ECONNREFUSED')])],
  [
    'a connection that did not come about in time',
    named(
      'TimeoutError',
      '@smithy/node-http-handler - the request socket did not establish a connection with the server within …',
    ),
  ],
])('%s means: not applied, try again', (_name, error) => {
  const translated = translateError(error, 'reserve');
  expect(translated).toBeInstanceOf(NotAppliedError);
  expect(translated.cause).toBe(error);
});

test.each([
  ['a server error', new InternalServerError({ $metadata: { httpStatusCode: 500 }, message })],
  [
    'an unavailable service',
    new DynamoDBServiceException({ name: 'ServiceUnavailable', $fault: 'server', $metadata: { httpStatusCode: 503 } }),
  ],
  ['a request over time', Object.assign(named('TimeoutError'), { code: 'ETIMEDOUT' })],
  ['a reset connection', systemError('ECONNRESET')],
  ['a broken pipe', systemError('EPIPE')],
  ['an aborted call', named('AbortError')],
  ['an answer that cannot be read', new SyntaxError('Unexpected token')],
  ['what nobody listed', new Error('?')],
  ['what is no error', 'text'],
])('%s means: nobody knows', (_name, error) => {
  expect(translateError(error, 'reserve')).toBeInstanceOf(UnknownOutcomeError);
});

test.each([
  [
    'a wrong call',
    new DynamoDBServiceException({ name: 'ValidationException', $fault: 'client', $metadata, message: 'bad :x' }),
    /refused the call .*bad :x/,
  ],
  [
    'a missing right',
    new DynamoDBServiceException({ name: 'AccessDeniedException', $fault: 'client', $metadata, message: 'no' }),
    /AccessDenied/,
  ],
  ['a missing table', new ResourceNotFoundException({ $metadata, message }), /table does not exist/],
  ['missing credentials', named('CredentialsProviderError'), /no credentials/],
])('%s is neither, and says what is wrong', (_name, error, text) => {
  const translated = translateError(error, 'reserve');
  expect(translated).not.toBeInstanceOf(NotAppliedError);
  expect(translated).not.toBeInstanceOf(UnknownOutcomeError);
  expect(translated.message).toMatch(text);
});
