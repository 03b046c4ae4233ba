import { alertFacts, alertSubject, alertText } from '../../../lambdas/domain/alert-text.ts';
import type { Alert } from '../../../lambdas/domain/alerts.ts';

const ALERT: Alert = {
  alertId: 'id',
  stage: 'prod',
  kind: 'threshold',
  severity: 'actionable',
  subject: 'budget/prod/month',
  title: 'title',
  action: 'act',
  raisedAt: '2026-11-23T12:00:00.000Z',
};

test('every fact that there is stands with its label, in the order in which people read', () => {
  const full: Alert = {
    ...ALERT,
    percent: 90,
    mergedPercents: [75, 50],
    spentUsd: '9.00',
    limitUsd: '10.00',
    resetsAt: '2026-12-01T00:00:00.000Z',
    owner: 'ann@example.com',
    runbook: 'https://example.com/r',
  };
  expect(alertFacts(full)).toEqual([
    ['Stage', 'prod'],
    ['What', 'budget/prod/month'],
    ['Threshold', '90 % (and 75 %, 50 %)'],
    ['Spent', '$9.00'],
    ['Limit', '$10.00'],
    ['Resets at', '2026-12-01T00:00:00.000Z'],
    ['Severity', 'actionable'],
    ['Owner', 'ann@example.com'],
    ['Runbook', 'https://example.com/r'],
    ['Raised at', '2026-11-23T12:00:00.000Z'],
    ['Alert id', 'id'],
  ]);
  expect(alertFacts({ ...full, mergedPercents: [] })[2]).toEqual(['Threshold', '90 %']);
});

test('facts that are not there are left out; what never resets says so, an overage does not speak of it', () => {
  const labels = (alert: Alert) => alertFacts(alert).map(([label]) => label);
  expect(labels(ALERT)).toEqual(['Stage', 'What', 'Resets at', 'Severity', 'Raised at', 'Alert id']);
  expect(alertFacts(ALERT)[2]).toEqual(['Resets at', 'never']);
  expect(labels({ ...ALERT, kind: 'overage', mergedPercents: [50] })).toEqual([
    'Stage',
    'What',
    'Severity',
    'Raised at',
    'Alert id',
  ]);
});

test('the text sets its facts in a column', () => {
  expect(alertText(ALERT)).toBe(
    [
      'title',
      '',
      'Stage:     prod',
      'What:      budget/prod/month',
      'Resets at: never',
      'Severity:  actionable',
      'Raised at: 2026-11-23T12:00:00.000Z',
      'Alert id:  id',
      '',
      'What to do: act',
      '',
    ].join('\n'),
  );
});

test('a subject is one line of printable ASCII', () => {
  const subject = (title: string, length?: number) => alertSubject({ ...ALERT, title }, length);
  expect(subject('a\n\té  b   c é')).toBe('a b c');
  expect(subject('aéb')).toBe('a b');
  expect(subject('~ ~')).toBe('~ ~');
  expect(subject('é')).toBe('[prod] alert');
  expect(subject('x'.repeat(100))).toBe('x'.repeat(100));
  expect(subject('x'.repeat(101))).toBe(`${'x'.repeat(97)}...`);
  expect(subject('abcd efgh', 8)).toBe('abcd...');
  expect(subject('abcdefgh', 8)).toBe('abcdefgh');
});
