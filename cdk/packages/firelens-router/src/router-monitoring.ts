import { Duration, Stack, aws_cloudwatch as cw, aws_cloudwatch_actions as actions, aws_events as events,
  aws_events_targets as targets, aws_logs as logs, type aws_sns as sns } from 'aws-cdk-lib';
import { Construct } from 'constructs';

export interface RouterMonitoringProps {
  /** Where the router's own log goes: it holds a line of statistics each minute. */
  readonly routerLogGroup: logs.ILogGroup;

  /** Where errors go: each one that arrives is an alarm. */
  readonly errorLogGroup: logs.ILogGroup;

  /** Who is told. */
  readonly topic: sns.ITopic;

  /** Name of the cluster. */
  readonly clusterName: string;

  /** Name of the service. */
  readonly serviceName: string;

  /** @default 'LogRouting' */
  readonly namespace?: string;

  /**
   * Names of the alarms begin with it.
   *
   * @default 'log-routing'
   */
  readonly alarmPrefix?: string;

  /**
   * The specification's 50 MB.
   *
   * @default 50
   */
  readonly memoryAlarmMiB?: number;

  /**
   * How old an undelivered record may be. Objects wait up to ten minutes (`upload_timeout`) as it is meant.
   *
   * @default Duration.minutes(30)
   */
  readonly oldestUndelivered?: Duration;
}

/** Fields of the line of statistics (noroshi's docs/statistics-line.md) that become metrics. */
const FIELDS: [metricName: string, field: string, unit: cw.Unit][] = [
  ['Accepted', '$.records_in', cw.Unit.COUNT],
  ['Delivered', '$.records_delivered', cw.Unit.COUNT],
  ['Lost', '$.records_dropped', cw.Unit.COUNT],
  // Two fields of one metric: attempts that will be repeated, and attempts refused for good.
  ['DeliveryFailures', '$.retries', cw.Unit.COUNT],
  ['DeliveryFailures', '$.errors', cw.Unit.COUNT],
  ['OldestUndelivered', '$.oldest_undelivered_s', cw.Unit.SECONDS],
  ['JournalUsed', '$.journal_used_percent', cw.Unit.PERCENT],
  ['Memory', '$.resident_bytes', cw.Unit.BYTES],
  ['Healthy', '$.healthy', cw.Unit.COUNT],
  ['S3Routed', '$.plugins.s3.records_routed', cw.Unit.COUNT],
  ['S3Delivered', '$.plugins.s3.records_delivered', cw.Unit.COUNT],
];

/**
 * Metrics, alarms and a dashboard of the router, made of its own log: no agent, no permission and no endpoint more.
 */
export class RouterMonitoring extends Construct {
  public readonly alarms: cw.IAlarm[] = [];
  // CDK has no interface of it.
   
  public readonly dashboard: cw.Dashboard;
  private readonly props: RouterMonitoringProps;

  constructor(scope: Construct, id: string, props: RouterMonitoringProps) {
    super(scope, id);
    this.props = props;
    for (const [metricName, field, unit] of FIELDS) {
      new logs.MetricFilter(this, `${metricName}${field.slice(1).replace(/\./g, '-')}`, {
        logGroup: props.routerLogGroup,
        filterPattern: logs.FilterPattern.literal('{ $.noroshi = "statistics" }'),
        metricNamespace: this.namespace,
        metricName,
        metricValue: field,
        unit,
      });
    }
    this.addAlarms(this.restartsRule());
    this.dashboard = this.addDashboard();
  }

  private get namespace(): string {
    return this.props.namespace ?? 'LogRouting';
  }

  private metric(metricName: string, statistic: string, minutes: number): cw.Metric {
    return new cw.Metric({ namespace: this.namespace, metricName, statistic, period: Duration.minutes(minutes) });
  }

  // ECS tells when a task ends because a container failed its health checks or ended by itself.
  private restartsRule(): events.Rule {
    const { clusterName, serviceName } = this.props;
    const cluster = Stack.of(this).formatArn({ service: 'ecs', resource: 'cluster', resourceName: clusterName });
    const ended = {
      clusterArn: [cluster],
      group: [`service:${serviceName}`],
      lastStatus: ['STOPPED'],
    };
    return new events.Rule(this, 'TaskFailed', {
      description: 'Tasks that ECS ended: failed health checks, or an essential container that ended',
      eventPattern: {
        source: ['aws.ecs'],
        detailType: ['ECS Task State Change'],
        detail: {
          ...ended,
          $or: [
            { stopCode: ['EssentialContainerExited'] },
            { stoppedReason: [{ wildcard: '*health check*' }] },
          ],
        },
      },
      targets: [new targets.SnsTopic(this.props.topic)],
    });
  }

  private addAlarms(restarts: events.Rule): void {
    const { errorLogGroup } = this.props;
    const prefix = this.props.alarmPrefix ?? 'log-routing';
    const add = (name: string, alarmDescription: string, alarm: Omit<cw.AlarmProps, 'alarmName' | 'alarmDescription'>) => {
      const made = new cw.Alarm(this, `Alarm-${name}`, { ...alarm, alarmName: `${prefix}-${name}`, alarmDescription });
      made.addAlarmAction(new actions.SnsAction(this.props.topic));
      made.addOkAction(new actions.SnsAction(this.props.topic));
      this.alarms.push(made);
    };
    const least = cw.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD;

    add('error-logs', `The application wrote errors: read ${errorLogGroup.logGroupName}.`, {
      metric: new cw.Metric({
        namespace: 'AWS/Logs', metricName: 'IncomingLogEvents', dimensionsMap: { LogGroupName: errorLogGroup.logGroupName },
        statistic: 'Sum', period: Duration.minutes(1),
      }),
      comparisonOperator: least, threshold: 1, evaluationPeriods: 1, treatMissingData: cw.TreatMissingData.NOT_BREACHING,
    });
    add('delivery-failures', 'CloudWatch Logs or S3 has refused or failed requests for 15 minutes. Records wait in the journal.', {
      metric: this.metric('DeliveryFailures', 'Sum', 5),
      comparisonOperator: least, threshold: 1, evaluationPeriods: 3, treatMissingData: cw.TreatMissingData.NOT_BREACHING,
    });
    add('records-lost', 'Records were given up. The router\'s log says which and why (LOST); copies are in its dead letters.', {
      metric: this.metric('Lost', 'Sum', 1),
      comparisonOperator: least, threshold: 1, evaluationPeriods: 1, treatMissingData: cw.TreatMissingData.NOT_BREACHING,
    });
    const oldest = this.props.oldestUndelivered ?? Duration.minutes(30);
    add('oldest-undelivered', `A record has waited for ${oldest.toMinutes()} minutes: delivery is behind or stands still.`, {
      metric: this.metric('OldestUndelivered', 'Maximum', 5),
      comparisonOperator: least, threshold: oldest.toSeconds(), evaluationPeriods: 2, treatMissingData: cw.TreatMissingData.NOT_BREACHING,
    });
    const memoryMiB = this.props.memoryAlarmMiB ?? 50;
    add('router-memory', `The router holds ${memoryMiB} MiB or more.`, {
      metric: this.metric('Memory', 'Maximum', 1),
      comparisonOperator: least, threshold: memoryMiB * 1024 * 1024, evaluationPeriods: 3, treatMissingData: cw.TreatMissingData.NOT_BREACHING,
    });
    add('router-unhealthy', 'The router says that data is at risk, or ECS ended a task because a container failed.', {
      metric: new cw.MathExpression({
        label: 'unhealthy, or tasks ended',
        expression: 'IF(FILL(healthy, 1) < 1, 1, 0) + FILL(ended, 0)',
        usingMetrics: {
          healthy: this.metric('Healthy', 'Minimum', 5),
          ended: new cw.Metric({
            namespace: 'AWS/Events', metricName: 'TriggeredRules', dimensionsMap: { RuleName: restarts.ruleName },
            statistic: 'Sum', period: Duration.minutes(5),
          }),
        },
        period: Duration.minutes(5),
      }),
      comparisonOperator: least, threshold: 1, evaluationPeriods: 1, treatMissingData: cw.TreatMissingData.NOT_BREACHING,
    });
    add('s3-silent', 'Records came in and no object reached S3 for half an hour, or the router itself is silent.', {
      metric: new cw.MathExpression({
        label: 'records came, nothing went to S3',
        expression: 'IF(FILL(routed, 0) > 0 AND FILL(delivered, 0) < 1, 1, 0)',
        usingMetrics: { routed: this.metric('S3Routed', 'Sum', 15), delivered: this.metric('S3Delivered', 'Sum', 15) },
        period: Duration.minutes(15),
      }),
      // No statistics at all are as bad as no objects.
      comparisonOperator: least, threshold: 1, evaluationPeriods: 2, treatMissingData: cw.TreatMissingData.BREACHING,
    });
  }

  private addDashboard(): cw.Dashboard {
    const { clusterName, serviceName } = this.props;
    const graph = (title: string, left: cw.IMetric[], view?: Partial<cw.GraphWidgetProps>) =>
      new cw.GraphWidget({ title, left, width: 8, leftYAxis: { min: 0 }, ...view });
    const minutes = 1;
    return new cw.Dashboard(this, 'Dashboard', {
      dashboardName: this.props.alarmPrefix ?? 'log-routing',
      defaultInterval: Duration.hours(3),
      widgets: [
        [new cw.AlarmStatusWidget({ title: 'Alarms', alarms: this.alarms, width: 24, height: 3 })],
        [
          graph('Records accepted and delivered', [this.metric('Accepted', 'Sum', minutes), this.metric('Delivered', 'Sum', minutes)]),
          graph('Failures and losses', [this.metric('DeliveryFailures', 'Sum', minutes), this.metric('Lost', 'Sum', minutes)]),
          graph('Oldest undelivered record', [this.metric('OldestUndelivered', 'Maximum', minutes)]),
        ],
        [
          graph('Memory of the router', [this.metric('Memory', 'Maximum', minutes)], {
            leftAnnotations: [{ value: (this.props.memoryAlarmMiB ?? 50) * 1024 * 1024, label: 'alarm' }],
          }),
          graph('Journal, percent of its limit', [this.metric('JournalUsed', 'Maximum', minutes)], { leftYAxis: { min: 0, max: 100 } }),
          graph('Memory and CPU of the whole task, percent', ['MemoryUtilization', 'CPUUtilization'].map(metricName => new cw.Metric({
            namespace: 'AWS/ECS', metricName, dimensionsMap: { ClusterName: clusterName, ServiceName: serviceName }, statistic: 'Maximum',
          }))),
        ],
        [
          new cw.LogQueryWidget({
            title: 'Warnings and errors of the router',
            logGroupNames: [this.props.routerLogGroup.logGroupName],
            queryLines: ['fields @timestamp, @message', 'filter @message like /\\[ warn\\]|\\[error\\]|LOST/', 'sort @timestamp desc', 'limit 50'],
            width: 12,
          }),
          new cw.LogQueryWidget({
            title: 'Errors of the application',
            logGroupNames: [this.props.errorLogGroup.logGroupName],
            queryLines: ['fields @timestamp, @message', 'sort @timestamp desc', 'limit 50'],
            width: 12,
          }),
        ],
      ],
    });
  }
}
