/**
 * The stage's one table: pots, lanes, entries, top-ups, API keys and alerts. Each grant names the exact actions that a
 * function's code sends and gives the table's name together with them.
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { VARIABLES } from '../../lambdas/environment.ts';

export interface LedgerTableProps {
  /** true: the table can be deleted neither by a call nor with its stack. */
  readonly keepData: boolean;
}

/** Indexes of the open lanes, by the wallet, group or provider that they belong to. */
const INDEXES = [
  { indexName: 'byWallet', key: 'gw' },
  { indexName: 'byGroup', key: 'gg' },
  { indexName: 'byProvider', key: 'gp' },
] as const;

/** What a paid request sends. A transaction needs the rights of its parts: TransactWriteItems is no action of IAM. */
const PAY = ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'] as const;
/** The keeper also closes lanes. */
const KEEP = [...PAY, 'dynamodb:DeleteItem'] as const;

/** The ledger's table with its three indexes. */
export class LedgerTable extends Construct {
  readonly table: Table;

  constructor(scope: Construct, id: string, props: LedgerTableProps) {
    super(scope, id);
    this.table = new Table(this, 'Table', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'ttl',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: props.keepData,
      removalPolicy: props.keepData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    for (const { indexName, key } of INDEXES) {
      this.table.addGlobalSecondaryIndex({
        indexName,
        partitionKey: { name: key, type: AttributeType.STRING },
        projectionType: ProjectionType.KEYS_ONLY,
      });
    }
  }

  /** Lets a function take, settle and move money, and find lanes to recall it from. */
  grantPay(fn: LambdaFunction): void {
    this.allow(fn, PAY, [this.table.tableArn]);
    this.allow(fn, ['dynamodb:Query'], this.indexArns());
  }

  /** Lets a function keep the ledger: what paying needs, a scan of the open lanes, and the end of empty ones. */
  grantKeep(fn: LambdaFunction): void {
    this.allow(fn, KEEP, [this.table.tableArn]);
    this.allow(fn, ['dynamodb:Query', 'dynamodb:Scan'], this.indexArns());
  }

  private allow(fn: LambdaFunction, actions: readonly string[], resources: readonly string[]): void {
    fn.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
    fn.addEnvironment(VARIABLES.table, this.table.tableName);
  }

  private indexArns(): string[] {
    return INDEXES.map(({ indexName }) => `${this.table.tableArn}/index/${indexName}`);
  }
}
