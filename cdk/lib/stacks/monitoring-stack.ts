import { Duration, RemovalPolicy, Stack, type StackProps, Validations, aws_logs as logs, aws_s3 as s3, aws_sns as sns,
  aws_sns_subscriptions as subscriptions } from 'aws-cdk-lib';
import { LogArchive, RouterMonitoring } from '@noroshi/firelens-router';
import type { Construct } from 'constructs';
import { NAMES, type Settings } from '../settings';

const ONE_DAY = Duration.days(1);
const ACCESS_LOG_AGE = Duration.days(90);

export interface MonitoringStackProps extends StackProps {
  readonly settings: Settings;
}

/** Name of the log bucket: other stacks refer to it by name. */
export function logBucketName(scope: Construct, settings: Settings): string {
  const stack = Stack.of(scope);
  return settings.existingLogBucket ?? `backend-logs-${stack.account}-${stack.region}`;
}

/**
 * Where logs live and who watches them: groups, bucket, Glue and Athena, alarms, dashboard. Everything in it outlives a
 * rollback of the Compute stack, and nothing in it depends on that.
 */
export class MonitoringStack extends Stack {
  constructor(scope: Construct, id: string, props: MonitoringStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const errorLogGroup = this.logGroup('ErrorLog', NAMES.errorLogGroup, logs.RetentionDays.THREE_MONTHS, settings);
    // Used after a rollback only, and there in both modes: a group that was kept cannot be made again.
    this.logGroup('BackendLog', NAMES.backendLogGroup, logs.RetentionDays.ONE_WEEK, settings);
    const routerLogGroup = this.logGroup('RouterLog', NAMES.routerLogGroup, logs.RetentionDays.ONE_MONTH, settings);

    const existingBucket = settings.existingLogBucket === undefined
      ? undefined : s3.Bucket.fromBucketName(this, 'ExistingLogBucket', settings.existingLogBucket);
    new LogArchive(this, 'Archive', {
      ...existingBucket ? { existingBucket } : { bucketName: logBucketName(this, settings), accessLogsBucket: this.accessLogs() },
      keyPrefix: NAMES.keyPrefix,
      databaseName: 'backend_logs',
      // What examples/backend writes beside level and message.
      columns: { timestamp: 'string', logger: 'string', request_id: 'string', path: 'string', status: 'int', duration_ms: 'double', exception: 'string' },
    });

    const topic = new sns.Topic(this, 'Alarms', { topicName: 'log-routing-alarms', enforceSSL: true });
    if (settings.alarmEmail !== undefined) topic.addSubscription(new subscriptions.EmailSubscription(settings.alarmEmail));
    new RouterMonitoring(this, 'Router', {
      routerLogGroup,
      errorLogGroup,
      topic,
      clusterName: NAMES.cluster,
      serviceName: NAMES.service,
    });
    this.saveQueries();
  }

  private logGroup(id: string, logGroupName: string, retention: logs.RetentionDays, settings: Settings): logs.ILogGroup {
    if (settings.existingLogGroups.includes(logGroupName)) return logs.LogGroup.fromLogGroupName(this, id, logGroupName);
    return new logs.LogGroup(this, id, { logGroupName, retention, removalPolicy: RemovalPolicy.RETAIN });
  }

  private accessLogs(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'AccessLogs', {
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [{ id: 'expire', expiration: ACCESS_LOG_AGE, abortIncompleteMultipartUploadAfter: ONE_DAY }],
    });
    Validations.of(bucket).acknowledge({ id: 'AwsSolutions-S1', reason: 'It is the bucket that access logs go to.' });
    return bucket;
  }

  private saveQueries(): void {
    const queries: { [name: string]: [group: string, lines: string] } = {
      'errors': [NAMES.errorLogGroup, 'fields @timestamp, level, message, exception\n| sort @timestamp desc\n| limit 200'],
      'errors-by-message': [NAMES.errorLogGroup, 'stats count(*) as errors, latest(@timestamp) as last by message\n| sort errors desc\n| limit 50'],
      'router-statistics': [NAMES.routerLogGroup,
        'filter noroshi = "statistics"\n| stats sum(records_in) as accepted, sum(records_delivered) as delivered, sum(records_dropped) as lost,\n'
        + '  sum(retries) as retries, max(oldest_undelivered_s) as oldest, max(resident_bytes) as memory by bin(5m)'],
      'router-problems': [NAMES.routerLogGroup, 'fields @timestamp, @message\n| filter @message like /\\[ warn\\]|\\[error\\]|LOST/\n| sort @timestamp desc\n| limit 200'],
    };
    for (const [name, [group, queryString]] of Object.entries(queries)) {
      new logs.CfnQueryDefinition(this, `Query-${name}`, { name: `log-routing/${name}`, logGroupNames: [group], queryString });
    }
  }
}
