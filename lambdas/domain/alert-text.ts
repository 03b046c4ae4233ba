/**
 * An alert as a person reads it: a subject line and a text that says what happened, how much is spent, who owns it
 * and what to do. E-mail and the local inbox show the same words.
 */
import type { Alert } from './alerts.ts';

/** The facts of an alert in the order in which they are read, each with its label. Absent facts are left out. */
export function alertFacts(alert: Alert): readonly (readonly [label: string, value: string])[] {
  const merged = alert.mergedPercents ?? [];
  const percent = alert.percent === undefined ? undefined : `${alert.percent} %`;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Stage', alert.stage],
    ['What', alert.subject],
    [
      'Threshold',
      percent !== undefined && merged.length > 0 ? `${percent} (and ${merged.map((m) => `${m} %`).join(', ')})` : percent,
    ],
    ['Spent', alert.spentUsd === undefined ? undefined : `$${alert.spentUsd}`],
    ['Limit', alert.limitUsd === undefined ? undefined : `$${alert.limitUsd}`],
    ['Resets at', alert.resetsAt ?? (alert.kind === 'overage' || alert.kind === 'policy_broken' ? undefined : 'never')],
    ['Severity', alert.severity],
    ['Owner', alert.owner],
    ['Runbook', alert.runbook],
    ['Raised at', alert.raisedAt],
    ['Alert id', alert.alertId],
  ];
  return facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
}

/** The alert as plain text, lines of at most a screen's width where its words allow. */
export function alertText(alert: Alert): string {
  const facts = alertFacts(alert);
  const width = Math.max(...facts.map(([label]) => label.length)) + 1;
  const lines = facts.map(([label, value]) => `${`${label}:`.padEnd(width)} ${value}`);
  return [alert.title, '', ...lines, '', `What to do: ${alert.action}`, ''].join('\n');
}

/**
 * The alert in one line of printable ASCII.
 * @param maxLength characters; an e-mail subject of SNS has 100
 */
export function alertSubject(alert: Alert, maxLength = 100): string {
  const printable = alert.title
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  const line = printable === '' ? `[${alert.stage}] alert` : printable;
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 3).trimEnd()}...`;
}
