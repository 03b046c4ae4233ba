/** Reads the IAM statements of a template, with references and joins written out as text. */
import type { Template } from 'aws-cdk-lib/assertions';

export interface Statement {
  /** Logical id of the policy. */
  readonly policy: string;
  readonly effect: string;
  readonly actions: readonly string[];
  /** Joined text; references stand as `${LogicalId}`. */
  readonly resources: readonly string[];
  /** What must be equal, as text. */
  readonly conditions: Readonly<Record<string, string>>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** A CloudFormation value as text. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!isRecord(value)) return JSON.stringify(value);
  if (typeof value.Ref === 'string') return `\${${value.Ref}}`;
  const attribute = value['Fn::GetAtt'];
  if (Array.isArray(attribute)) return `\${${attribute.join('.')}}`;
  const join = value['Fn::Join'];
  if (Array.isArray(join)) return listOf(join[1]).map(textOf).join(String(join[0]));
  return JSON.stringify(value);
}

/** Every statement of every identity policy in a template. */
export function statementsOf(template: Template): Statement[] {
  const found: Statement[] = [];
  for (const [policy, resource] of Object.entries(template.findResources('AWS::IAM::Policy'))) {
    const properties: unknown = resource.Properties;
    const document = isRecord(properties) && isRecord(properties.PolicyDocument) ? properties.PolicyDocument : {};
    for (const statement of listOf(document.Statement)) {
      if (!isRecord(statement)) continue;
      found.push({
        policy,
        effect: String(statement.Effect),
        actions: listOf(statement.Action).map(String),
        resources: listOf(statement.Resource).map(textOf),
        conditions: equalities(statement.Condition),
      });
    }
  }
  return found;
}

function equalities(condition: unknown): Record<string, string> {
  const equal = isRecord(condition) && isRecord(condition.StringEquals) ? condition.StringEquals : {};
  return Object.fromEntries(Object.entries(equal).map(([key, value]) => [key, textOf(value)]));
}
