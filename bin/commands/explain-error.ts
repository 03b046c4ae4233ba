/** Turns whatever a command threw into an exit code and lines for a person: what was wrong, and what to do. */
import { CommandError, EXIT, type ExitCode } from './outcome.ts';

export interface Explanation {
  readonly exitCode: ExitCode;
  readonly lines: readonly string[];
}

/** AWS answers these when it does not know, or no longer believes, who asks. */
const CREDENTIAL_ERRORS = new Set([
  'CredentialsProviderError',
  'TokenProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
  'UnauthorizedSSOTokenError',
  'AccessDeniedException',
  'AccessDenied',
]);
/** Deep enough for every wrapping of ours and the SDK's. */
const MOST_CAUSES = 8;

/** Explains an error. Errors that nobody foresaw show their name and message, and their stack with `TOLLGATE_DEBUG=1`. */
export function explainError(error: unknown, debug = false): Explanation {
  const chain = causes(error);
  const credential = chain.find((one) => CREDENTIAL_ERRORS.has(one.name) || /Could not load credentials/i.test(one.message));
  if (credential !== undefined) return { exitCode: EXIT.credentials, lines: credentialLines(credential) };
  if (chain.some((one) => /Region is missing/i.test(one.message))) {
    return {
      exitCode: EXIT.credentials,
      lines: ['no AWS region is set', 'Set AWS_REGION, or a region in your AWS profile; for the local stages add --local.'],
    };
  }
  const [first] = chain;
  if (first === undefined) return { exitCode: EXIT.error, lines: [`something failed without an error: ${String(error)}`] };
  if (first instanceof CommandError) return { exitCode: first.exitCode, lines: lines(first.message, first.advice) };
  switch (codeOf(first)) {
    case 'policy_invalid':
      return { exitCode: EXIT.policy, lines: first.message.split('\n') };
    case 'invalid_amount':
      return { exitCode: EXIT.usage, lines: [first.message] };
    case 'unknown_wallet':
    case 'top_up_mismatch':
    case 'withdrawal_too_large':
      return { exitCode: EXIT.error, lines: [first.message] };
    case 'not_applied':
    case 'unknown_outcome':
    case 'ledger_unavailable':
      return {
        exitCode: EXIT.error,
        lines: lines(
          `the database did not answer: ${first.message}`,
          'Repeat the command. A top-up or withdrawal with the same --id moves money once, however often it is asked for.',
        ),
      };
    default:
      return { exitCode: EXIT.error, lines: unforeseen(first, debug) };
  }
}

function unforeseen(error: Error, debug: boolean): readonly string[] {
  const advice = 'advice' in error && typeof error.advice === 'string' ? error.advice : undefined;
  if (debug && error.stack !== undefined) return error.stack.split('\n');
  const known = typeof codeOf(error) === 'string' && error.message !== '';
  return lines(known ? error.message : `${error.name}: ${error.message}`, advice);
}

function credentialLines(error: Error): readonly string[] {
  if (error.name.startsWith('AccessDenied')) {
    return lines(
      `AWS refused this: ${error.message}`,
      'Use credentials that may do it (AWS_PROFILE), or ask whoever owns the account.',
    );
  }
  return lines(
    `AWS does not accept the credentials, or there are none (${error.name})`,
    'Log in, such as with aws sso login, or set AWS_PROFILE; for the local stages add --local.',
  );
}

function lines(message: string, advice: string | undefined): readonly string[] {
  return advice === undefined ? [message] : [message, advice];
}

function causes(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  let current: unknown = error;
  while (current instanceof Error && chain.length < MOST_CAUSES) {
    chain.push(current);
    current = current.cause;
  }
  return chain;
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}
