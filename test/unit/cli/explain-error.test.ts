/** Exit codes and words of errors. */
import { explainError } from '../../../bin/commands/explain-error.ts';
import { CommandError, usageError } from '../../../bin/commands/outcome.ts';
import { NotAppliedError } from '../../../lambdas/application/ports.ts';
import { InvalidAmountError } from '../../../lambdas/domain/money.ts';
import { PolicyError } from '../../../lambdas/policy/problems.ts';

function named(name: string, message = 'something', options?: ErrorOptions): Error {
  return Object.assign(new Error(message, options), { name });
}

const problem = {
  file: 'policy/dev.yaml',
  line: 3,
  column: 1,
  path: 'stagee',
  message: "unknown key 'stagee'",
  suggestion: "did you mean 'stage'?",
};

test.each([
  ['a plain error of a command', new CommandError('no'), 1],
  ['a usage error', usageError('no'), 2],
  ['an amount that is none', new InvalidAmountError('abc', 'write a decimal'), 2],
  ['a policy that may not be used', new PolicyError([problem]), 4],
  ['missing AWS credentials', named('CredentialsProviderError'), 3],
  ['credentials that ran out, wrapped', new NotAppliedError('wrapped', { cause: named('ExpiredTokenException') }), 3],
  ['a refusal by IAM', named('AccessDeniedException'), 3],
  ['a missing region', named('Error', 'Region is missing'), 3],
  ['a database that does not answer', new NotAppliedError('throttled'), 1],
  ['anything else', named('TypeError'), 1],
])('%s has its exit code', (_what, error, code) => {
  expect(explainError(error).exitCode).toBe(code);
});

test('a policy problem keeps file, line and suggestion', () => {
  expect(explainError(new PolicyError([problem])).lines).toEqual([
    "policy/dev.yaml:3:1 stagee: unknown key 'stagee' (did you mean 'stage'?)",
  ]);
});

test('missing credentials say what to do, for AWS and for the local stages', () => {
  const text = explainError(named('CredentialsProviderError')).lines.join('\n');
  expect(text).toContain('AWS_PROFILE');
  expect(text).toContain('--local');
});

test('an error that refers to itself as its cause is explained too', () => {
  const error = new Error('round');
  error.cause = error;
  expect(explainError(error).exitCode).toBe(1);
});
