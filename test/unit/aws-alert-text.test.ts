import { alertSubject, alertText } from '../../lambdas/domain/alert-text.ts';
import type { Alert } from '../../lambdas/domain/alerts.ts';

const WALLET: Alert = {
  alertId: 'wallet/team_dev#life:100_20-0',
  stage: 'dev',
  kind: 'block',
  severity: 'informational',
  subject: 'wallet/team_dev',
  percent: 100,
  spentUsd: '20.00',
  limitUsd: '20.00',
  title: '[dev] wallet/team_dev reached 100 % ($20.00 of $20.00)',
  action: 'Requests that do not fit are refused until somebody acts.',
  raisedAt: '2026-11-23T14:00:00.000Z',
};

test('an alert is a title, its facts, and what to do', () => {
  expect(alertText(WALLET)).toBe(
    [
      '[dev] wallet/team_dev reached 100 % ($20.00 of $20.00)',
      '',
      'Stage:     dev',
      'What:      wallet/team_dev',
      'Threshold: 100 %',
      'Spent:     $20.00',
      'Limit:     $20.00',
      'Resets at: never',
      'Severity:  informational',
      'Raised at: 2026-11-23T14:00:00.000Z',
      'Alert id:  wallet/team_dev#life:100_20-0',
      '',
      'What to do: Requests that do not fit are refused until somebody acts.',
      '',
    ].join('\n'),
  );
});

test('an overage has no threshold and never speaks of a reset', () => {
  const text = alertText({ ...WALLET, kind: 'overage', percent: undefined });
  expect(text).not.toContain('Threshold');
  expect(text).not.toContain('Resets');
});

test('a short title is a subject as it stands, a long one is cut at the length asked for', () => {
  expect(alertSubject(WALLET)).toBe(WALLET.title);
  const cut = alertSubject({ ...WALLET, title: 'x'.repeat(101) });
  expect(cut).toBe(`${'x'.repeat(97)}...`);
  expect(alertSubject({ ...WALLET, title: 'x'.repeat(100) })).toHaveLength(100);
});

test('a title without one printable character still gives a subject', () => {
  expect(alertSubject({ ...WALLET, title: '\n€' })).toBe('[dev] alert');
});
