import assert from 'node:assert/strict';
import { test } from 'node:test';
import { container, flat, only, resources, sorted, templates } from './templates';

const monitoring = () => templates().Monitoring;

test('log groups: names, retention, kept', () => {
  assert.deepEqual(resources(monitoring(), 'AWS::Logs::LogGroup').map(each => [each.Properties.LogGroupName, each.Properties.RetentionInDays, each.DeletionPolicy]), [
    ['/ecs/backend/errors', 90, 'Retain'],
    ['/ecs/backend', 7, 'Retain'],
    ['/ecs/firelens', 30, 'Retain'],
  ]);
});

test('existing log groups are referred to, not made', () => {
  const { Monitoring } = templates({ existingLogGroups: '/ecs/backend/errors,/ecs/backend' });
  assert.deepEqual(resources(Monitoring, 'AWS::Logs::LogGroup').map(each => each.Properties.LogGroupName), ['/ecs/firelens']);
});

function logBucket() {
  return resources(monitoring(), 'AWS::S3::Bucket').find(each => each.Properties.BucketName !== undefined)!;
}

test('the log bucket: name, SSE-S3, private, kept', () => {
  const bucket = logBucket();
  assert.equal(flat(bucket.Properties.BucketName), 'backend-logs-<AWS::AccountId>-ap-northeast-1');
  assert.equal(bucket.DeletionPolicy, 'Retain');
  assert.deepEqual(bucket.Properties.BucketEncryption, { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] });
  assert.deepEqual(bucket.Properties.PublicAccessBlockConfiguration,
    { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true });
  assert.deepEqual(bucket.Properties.OwnershipControls, { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] });
});

test('the log bucket: Glacier after 90 days under logs/ also for small objects, uploads aborted after a day', () => {
  const { Rules, TransitionDefaultMinimumObjectSize } = logBucket().Properties.LifecycleConfiguration;
  assert.equal(TransitionDefaultMinimumObjectSize, 'varies_by_storage_class');
  assert.deepEqual(Rules, [
    { Id: 'archive', Prefix: 'logs/', Status: 'Enabled', Transitions: [{ StorageClass: 'GLACIER', TransitionInDays: 90 }] },
    { Id: 'abort-incomplete-uploads', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' },
    { Id: 'query-results', Prefix: 'athena-results/', Status: 'Enabled', ExpirationInDays: 7 },
  ]);
});

interface BucketStatement {
  readonly Effect: string;
  readonly Principal: { readonly Service?: string };
  readonly Condition?: unknown;
}

test('bucket policies deny what is not TLS 1.2, and allow the service of access logs alone', () => {
  const policies = resources(monitoring(), 'AWS::S3::BucketPolicy').map(each => each.Properties.PolicyDocument.Statement as BucketStatement[]);
  assert.equal(policies.length, 2);
  for (const statements of policies) {
    assert.deepEqual(statements.filter(each => each.Effect === 'Deny').map(each => each.Condition),
      [{ Bool: { 'aws:SecureTransport': 'false' } }, { NumericLessThan: { 's3:TlsVersion': 1.2 } }]);
  }
  assert.deepEqual(policies.flat().filter(each => each.Effect === 'Allow').map(each => each.Principal.Service), ['logging.s3.amazonaws.com']);
});

test('an existing bucket is referred to, by the table and by the router alike', () => {
  const { Monitoring, Compute } = templates({ existingLogBucket: 'old-logs' });
  Monitoring.resourceCountIs('AWS::S3::Bucket', 0);
  assert.equal(only(Monitoring, 'AWS::Glue::Table').Properties.TableInput.StorageDescriptor.Location, 's3://old-logs/logs/');
  assert.deepEqual(container(Compute, 'log-router').Environment,
    [{ Name: 'AWS_REGION', Value: 'ap-northeast-1' }, { Name: 'LOG_BUCKET_NAME', Value: 'old-logs' }]);
});

test('the table projects year, month, day and hour from the keys', () => {
  const table = only(monitoring(), 'AWS::Glue::Table').Properties.TableInput;
  assert.deepEqual((table.PartitionKeys as { Name: string; Type: string }[]).map(key => `${key.Name} ${key.Type}`), ['year int', 'month int', 'day int', 'hour int']);
  const { 'storage.location.template': template, ...parameters } = Object.fromEntries(
    Object.entries(table.Parameters as Record<string, unknown>).map(([name, value]) => [name, flat(value)]));
  assert.deepEqual(parameters, {
    'classification': 'json',
    'compressionType': 'gzip',
    'projection.enabled': 'true',
    'projection.year.type': 'integer', 'projection.year.range': '2025,2035',
    'projection.month.type': 'integer', 'projection.month.range': '1,12', 'projection.month.digits': '2',
    'projection.day.type': 'integer', 'projection.day.range': '1,31', 'projection.day.digits': '2',
    'projection.hour.type': 'integer', 'projection.hour.range': '0,23', 'projection.hour.digits': '2',
  });
  assert.match(template, /^s3:\/\/<ArchiveBucket\w+>\/logs\/year=\$\{year\}\/month=\$\{month\}\/day=\$\{day\}\/hour=\$\{hour\}\/$/);
});

test('Athena: a work group with a limit and encrypted results, and queries that name their partitions', () => {
  const group = only(monitoring(), 'AWS::Athena::WorkGroup').Properties;
  assert.equal(group.Name, 'backend_logs');
  assert.equal(group.WorkGroupConfiguration.EnforceWorkGroupConfiguration, true);
  assert.equal(group.WorkGroupConfiguration.BytesScannedCutoffPerQuery, 100_000_000_000);
  assert.deepEqual(group.WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration, { EncryptionOption: 'SSE_S3' });
  const queries = resources(monitoring(), 'AWS::Athena::NamedQuery').map(each => each.Properties);
  assert.deepEqual(sorted(queries.map(each => each.Name as string)),
    ['backend_logs-errors-last-hour', 'backend_logs-find-text-today', 'backend_logs-levels-today', 'backend_logs-task-around-a-moment']);
  for (const query of queries) {
    assert.equal(query.WorkGroup, 'backend_logs');
    assert.match(query.QueryString as string, /FROM "backend_logs"."records"/);
    for (const partition of ['year', 'month', 'day']) assert.match(query.QueryString as string, new RegExp(`\\b${partition} = `), query.Name as string);
  }
});

test('alarms: exactly these, each told when it starts and when it ends', () => {
  const topic = { Ref: Object.keys(monitoring().findResources('AWS::SNS::Topic'))[0] };
  const alarms = resources(monitoring(), 'AWS::CloudWatch::Alarm').map(each => each.Properties as Record<string, unknown>);
  for (const alarm of alarms) {
    assert.deepEqual([alarm.AlarmActions, alarm.OKActions], [[topic], [topic]]);
    assert.equal(alarm.ComparisonOperator, 'GreaterThanOrEqualToThreshold');
  }
  assert.deepEqual(alarms.map(alarm => [alarm.AlarmName, alarm.Namespace ?? 'expression', alarm.MetricName, alarm.Statistic,
    alarm.Threshold, alarm.EvaluationPeriods, alarm.Period, alarm.TreatMissingData]).sort(), [
    ['log-routing-delivery-failures', 'LogRouting', 'DeliveryFailures', 'Sum', 1, 3, 300, 'notBreaching'],
    ['log-routing-error-logs', 'AWS/Logs', 'IncomingLogEvents', 'Sum', 1, 1, 60, 'notBreaching'],
    ['log-routing-oldest-undelivered', 'LogRouting', 'OldestUndelivered', 'Maximum', 1800, 2, 300, 'notBreaching'],
    ['log-routing-records-lost', 'LogRouting', 'Lost', 'Sum', 1, 1, 60, 'notBreaching'],
    ['log-routing-router-memory', 'LogRouting', 'Memory', 'Maximum', 52428800, 3, 60, 'notBreaching'],
    ['log-routing-router-unhealthy', 'expression', undefined, undefined, 1, 1, undefined, 'notBreaching'],
    ['log-routing-s3-silent', 'expression', undefined, undefined, 1, 2, undefined, 'breaching'],
  ]);
});

interface MetricData {
  readonly Id: string;
  readonly Expression?: string;
  readonly MetricStat?: { readonly Metric: { readonly Namespace: string; readonly MetricName: string }; readonly Period: number; readonly Stat: string };
}

test('alarms over expressions: what they add up', () => {
  const rows = resources(monitoring(), 'AWS::CloudWatch::Alarm').map(each => each.Properties)
    .filter(each => each.Metrics !== undefined)
    .map(each => [each.AlarmName as string, ...(each.Metrics as MetricData[]).map(({ Expression, Id, MetricStat }) => Expression
      ?? `${Id}: ${MetricStat!.Stat} of ${MetricStat!.Metric.Namespace} ${MetricStat!.Metric.MetricName} in ${MetricStat!.Period} s`)]);
  assert.deepEqual(rows, [
    ['log-routing-router-unhealthy', 'IF(FILL(healthy, 1) < 1, 1, 0) + FILL(ended, 0)',
      'healthy: Minimum of LogRouting Healthy in 300 s', 'ended: Sum of AWS/Events TriggeredRules in 300 s'],
    ['log-routing-s3-silent', 'IF(FILL(routed, 0) > 0 AND FILL(delivered, 0) < 1, 1, 0)',
      'routed: Sum of LogRouting S3Routed in 900 s', 'delivered: Sum of LogRouting S3Delivered in 900 s'],
  ]);
});

test('every metric of ours that an alarm or the dashboard uses is made by a filter on the router\'s log', () => {
  const filters = resources(monitoring(), 'AWS::Logs::MetricFilter').map(each => each.Properties);
  assert.ok(filters.every(each => flat(each.LogGroupName).includes('RouterLog') && each.FilterPattern === '{ $.noroshi = "statistics" }'));
  const made = new Set(filters.map(each => each.MetricTransformations[0].MetricName as string));
  const text = JSON.stringify(monitoring().toJSON());
  const inAlarms = [...text.matchAll(/"MetricName":"(\w+)","Namespace":"LogRouting"/g)].map(match => match[1]);
  const inDashboard = [...text.matchAll(/\\"LogRouting\\",\\"(\w+)\\"/g)].map(match => match[1]);
  assert.ok(inAlarms.length >= 6 && inDashboard.length >= 6, `${inAlarms.length} and ${inDashboard.length}`);
  assert.deepEqual(sorted(new Set([...inAlarms, ...inDashboard])), sorted(made));
});

test('a failed task is an event of this service alone', () => {
  const pattern = only(monitoring(), 'AWS::Events::Rule').Properties.EventPattern;
  assert.deepEqual(pattern['detail-type'], ['ECS Task State Change']);
  assert.equal(flat(pattern.detail.clusterArn[0]), 'arn:aws:ecs:ap-northeast-1:<AWS::AccountId>:cluster/backend');
  assert.deepEqual(pattern.detail.group, ['service:backend']);
  assert.deepEqual(pattern.detail.$or, [{ stopCode: ['EssentialContainerExited'] }, { stoppedReason: [{ wildcard: '*health check*' }] }]);
});

test('the topic takes nothing unencrypted, and tells whom the context names', () => {
  const statements = only(monitoring(), 'AWS::SNS::TopicPolicy').Properties.PolicyDocument.Statement as BucketStatement[];
  assert.deepEqual(statements.filter(each => each.Effect === 'Deny').map(each => each.Condition), [{ Bool: { 'aws:SecureTransport': 'false' } }]);
  monitoring().resourceCountIs('AWS::SNS::Subscription', 0);
  assert.equal(only(templates({ alarmEmail: 'team@example.com' }).Monitoring, 'AWS::SNS::Subscription').Properties.Endpoint, 'team@example.com');
});

test('one dashboard, which is valid JSON and shows every alarm', () => {
  const { widgets } = JSON.parse(flat(only(monitoring(), 'AWS::CloudWatch::Dashboard').Properties.DashboardBody)) as
    { widgets: { type: string; properties: { alarms?: string[] } }[] };
  assert.deepEqual(sorted(widgets.map(widget => widget.type)), ['alarm', 'log', 'log', ...Array<string>(6).fill('metric')]);
  assert.equal(widgets.find(widget => widget.type === 'alarm')!.properties.alarms!.length, 7);
});

test('the stack outlives Compute: it takes nothing from another stack', () => {
  assert.ok(!JSON.stringify(monitoring().toJSON()).includes('Fn::ImportValue'));
});
