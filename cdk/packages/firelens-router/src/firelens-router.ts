import * as fs from 'node:fs';
import { ArnFormat, Duration, Stack, aws_ecs as ecs, aws_iam as iam, aws_logs as logs, type aws_s3 as s3 } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from './acknowledge';
import { ClassicConfig } from './classic-config';
import { checkConfiguration, checkLogOptions, checkPaths, checkSenders } from './traps';
import { trap } from './trap';

/** Where the application's lines go. */
export enum LogRouting {
  /** To the router, and through it to CloudWatch Logs and S3. */
  FIRELENS = 'firelens',
  /** To CloudWatch Logs directly, as before the router: the rollback. */
  AWSLOGS = 'awslogs',
}

/** What a failing health check of the router means. */
export enum HealthCheckMode {
  /** The specified one: fails when records are being lost. ECS then replaces the task. */
  DELIVERY = 'delivery',
  /** Fails only when the router does not answer at all. */
  LIVENESS = 'liveness',
  /** No health check; the router's end still ends the task. */
  NONE = 'none',
}

export interface FirelensRouterProps {
  /** The task that gets the router. */
  // A class, because containers are added to it.
  // eslint-disable-next-line awscdk/no-construct-in-interface
  readonly taskDefinition: ecs.FargateTaskDefinition;

  /** The router's image, with its configuration in it. */
  readonly image: ecs.ContainerImage;

  /** Where all records go. The task may put objects under `keyPrefix`, and nothing else. */
  readonly bucket: s3.IBucket;

  /** Where errors go. */
  readonly errorLogGroup: logs.ILogGroup;

  /**
   * The switch between routing and rollback. `FirelensRouter.routingFromContext(scope)` reads `-c logRouting=awslogs`.
   *
   * @default LogRouting.FIRELENS
   */
  readonly routing?: LogRouting;

  /**
   * Where the application's lines go with `LogRouting.AWSLOGS`. It must exist in both modes: a group that comes and goes
   * with the switch cannot be made a second time.
   *
   * @default - none: AWSLOGS is refused
   */
  readonly fallbackLogGroup?: logs.ILogGroup;

  /**
   * Where the router's own log goes. `RouterMonitoring` makes its metrics of it.
   *
   * @default - a new group with a retention of one month
   */
  readonly routerLogGroup?: logs.ILogGroup;

  /**
   * Path of the configuration inside the image. The agent includes it into the file it generates.
   *
   * @default '/fluent-bit/configs/fluent-bit.conf'
   */
  readonly configFile?: string;

  /**
   * The same file on this machine. With it the configuration is compared with the task at synth: tags, bucket, keys,
   * paths, ports, variables, grace.
   *
   * @default - not compared
   */
  readonly configSource?: string;

  /**
   * The router's program inside the image, for the health check.
   *
   * @default '/fluent-bit/bin/noroshi'
   */
  readonly program?: string;

  /**
   * Under which the router's objects lie in the bucket; the scope of the permission.
   *
   * @default 'logs/'
   */
  readonly keyPrefix?: string;

  /**
   * Where the task's volume for journal and spool is mounted. Everything else in the container is read-only.
   *
   * @default '/tmp/fluent-bit'
   */
  readonly bufferPath?: string;

  /** @default 50 */
  readonly memoryReservationMiB?: number;

  /**
   * A hard limit: above it the container is killed.
   *
   * @default - none, the task's memory
   */
  readonly memoryLimitMiB?: number;

  /** @default HealthCheckMode.DELIVERY */
  readonly healthCheckMode?: HealthCheckMode;

  /**
   * Variables of the router beside `AWS_REGION` and `LOG_BUCKET_NAME`.
   *
   * @default - none
   */
  readonly environment?: { [name: string]: string };

  /**
   * Tags of records that do not come from a container's log driver: those applications send to port 24224 themselves.
   * `configSource` is checked against them too.
   *
   * @default - none
   */
  readonly additionalTags?: string[];

  /**
   * Fargate's longest. The router delivers what it has before it ends.
   *
   * @default Duration.seconds(120)
   */
  readonly stopTimeout?: Duration;

  /**
   * What application containers wait for. START is quick: the kernel queues their lines until the router reads. HEALTHY
   * costs every start the router's first health check.
   *
   * @default ecs.ContainerDependencyCondition.START
   */
  readonly dependencyCondition?: ecs.ContainerDependencyCondition;
}

const HEALTH_URL = 'http://localhost:2020/api/v1/health';
const LIVENESS_URL = 'http://localhost:2020/api/v1/uptime';
const VOLUME = 'log-router-buffer';

/**
 * A log router beside the containers of a Fargate task, with FireLens: all records to a bucket, errors to a log group.
 * The router is noroshi, or any image that reads Fluent Bit's configuration and has a `health` verb.
 *
 * Traps that a deployment would only show as a task that does not start, or as logs that never arrive, are refused at
 * synth.
 */
export class FirelensRouter extends Construct {
  /** `-c logRouting=firelens|awslogs`; firelens if it is not set. */
  public static routingFromContext(scope: Construct): LogRouting {
    const value: unknown = scope.node.tryGetContext('logRouting') ?? LogRouting.FIRELENS;
    if (value === LogRouting.FIRELENS || value === LogRouting.AWSLOGS) return value;
    throw trap(scope, `the context logRouting is "${String(value)}"`, 'Write -c logRouting=firelens or -c logRouting=awslogs');
  }

  /** The router's container; undefined with `LogRouting.AWSLOGS`. */
  public readonly container?: ecs.FirelensLogRouter;
  public readonly routing: LogRouting;
  private readonly props: FirelensRouterProps;

  constructor(scope: Construct, id: string, props: FirelensRouterProps) {
    super(scope, id);
    this.props = props;
    this.routing = props.routing ?? LogRouting.FIRELENS;
    this.grantDelivery(props.taskDefinition.taskRole);
    if (this.routing === LogRouting.AWSLOGS) {
      if (!props.fallbackLogGroup) {
        throw trap(this, 'LogRouting.AWSLOGS has no fallbackLogGroup', 'Name the log group that the application used before the router');
      }
      this.acknowledgeStreams(props.fallbackLogGroup);
      return;
    }
    this.container = this.addRouter(props);
    this.node.addValidation({ validate: () => this.problems() });
  }

  /**
   * The log driver of an application's container; pass the container to `attach()` afterwards.
   *
   * `options` are FireLens options for this container alone, such as `{ Name: 'cloudwatch_logs', … }` or
   * `exclude-pattern`. Usually there are none: the router's configuration says where records go.
   */
  public logDriver(streamPrefix: string, options?: { [name: string]: string }): ecs.LogDriver {
    if (this.routing === LogRouting.AWSLOGS) {
      return ecs.LogDrivers.awsLogs({ streamPrefix, logGroup: this.props.fallbackLogGroup });
    }
    const problem = checkLogOptions(options ?? {}, this.container!.containerName);
    if (problem) throw trap(this, `the log options of ${streamPrefix}: ${problem.wrong}`, problem.instead);
    return ecs.LogDrivers.firelens({ options });
  }

  /** Makes a container wait for the router at the start, and end before it: the router hears its last words. */
  public attach(container: ecs.ContainerDefinition): void {
    if (!this.container) return;
    container.addContainerDependencies({
      container: this.container,
      condition: this.props.dependencyCondition ?? ecs.ContainerDependencyCondition.START,
    });
  }

  private get keyPrefix(): string {
    return this.props.keyPrefix ?? 'logs/';
  }

  // The same in both modes, so that the switch changes no role.
  private grantDelivery(role: iam.IRole): void {
    const objects = this.props.bucket.arnForObjects(`${this.keyPrefix}*`);
    const groupArn = Stack.of(this).formatArn({
      service: 'logs',
      resource: 'log-group',
      resourceName: this.props.errorLogGroup.logGroupName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    role.addToPrincipalPolicy(new iam.PolicyStatement({
      sid: 'ArchiveRecords',
      actions: ['s3:PutObject', 's3:AbortMultipartUpload'],
      resources: [objects],
    }));
    role.addToPrincipalPolicy(new iam.PolicyStatement({
      sid: 'SendErrors',
      actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [groupArn, `${groupArn}:*`],
    }));
    acknowledgeWildcards(role, [objects, `${groupArn}:*`], 'Names of objects and of log streams are only known at run time.');
  }

  private addRouter(props: FirelensRouterProps): ecs.FirelensLogRouter {
    const configFile = props.configFile ?? '/fluent-bit/configs/fluent-bit.conf';
    const program = props.program ?? '/fluent-bit/bin/noroshi';
    const bufferPath = props.bufferPath ?? '/tmp/fluent-bit';
    const stopTimeout = props.stopTimeout ?? Duration.seconds(120);
    for (const problem of checkPaths({ configFile, bufferPath, stopTimeoutSeconds: stopTimeout.toSeconds() })) {
      throw trap(this, problem.wrong, problem.instead);
    }
    const mode = props.healthCheckMode ?? HealthCheckMode.DELIVERY;
    const routerLogGroup = props.routerLogGroup ?? new logs.LogGroup(this, 'RouterLog', { retention: logs.RetentionDays.ONE_MONTH });
    const container = props.taskDefinition.addFirelensLogRouter('log-router', {
      containerName: 'log-router',
      image: props.image,
      essential: true,
      firelensConfig: {
        type: ecs.FirelensLogRouterType.FLUENTBIT,
        options: {
          enableECSLogMetadata: true,
          configFileType: ecs.FirelensConfigFileType.FILE,
          configFileValue: configFile,
        },
      },
      memoryReservationMiB: props.memoryReservationMiB ?? 50,
      memoryLimitMiB: props.memoryLimitMiB,
      environment: {
        AWS_REGION: Stack.of(this).region,
        LOG_BUCKET_NAME: props.bucket.bucketName,
        ...props.environment,
      },
      healthCheck: mode === HealthCheckMode.NONE ? undefined : {
        // Exec form: the image needs neither a shell nor curl.
        command: ['CMD', program, 'health', mode === HealthCheckMode.DELIVERY ? HEALTH_URL : LIVENESS_URL],
        interval: Duration.seconds(30),
        timeout: Duration.seconds(3),
        retries: 3,
      },
      readonlyRootFilesystem: true,
      stopTimeout,
      // FireLens wants root unless the image gives its volume to another user.
      user: '0',
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: 'firelens',
        logGroup: routerLogGroup,
        // The router's own log must never hold the router up.
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
      }),
    });
    this.acknowledgeStreams(routerLogGroup);
    props.taskDefinition.addVolume({ name: VOLUME });
    container.addMountPoints({ sourceVolume: VOLUME, containerPath: bufferPath, readOnly: false });
    return container;
  }

  // CDK lets the awslogs driver write to all streams of a group.
  private acknowledgeStreams(group: logs.ILogGroup): void {
    acknowledgeWildcards(this.props.taskDefinition.obtainExecutionRole(), [group.logGroupArn], 'Log streams are named at run time.');
  }

  private problems(): string[] {
    const senders = this.props.taskDefinition.node.findAll()
      .filter((node): node is ecs.ContainerDefinition => node instanceof ecs.ContainerDefinition)
      .filter(container => container.logDriverConfig?.logDriver === 'awsfirelens');
    const found = checkSenders(this.container!, senders);
    if (this.props.configSource !== undefined) {
      const config = new ClassicConfig(fs.readFileSync(this.props.configSource, 'utf8'));
      found.push(...checkConfiguration(config, {
        source: this.props.configSource,
        senders: senders.map(container => container.containerName),
        additionalTags: this.props.additionalTags ?? [],
        routerName: this.container!.containerName,
        bucketName: this.props.bucket.bucketName,
        keyPrefix: this.keyPrefix,
        errorLogGroupName: this.props.errorLogGroup.logGroupName,
        bufferPath: this.props.bufferPath ?? '/tmp/fluent-bit',
        stopTimeoutSeconds: (this.props.stopTimeout ?? Duration.seconds(120)).toSeconds(),
        healthChecked: this.props.healthCheckMode !== HealthCheckMode.NONE,
        environment: ['AWS_REGION', 'LOG_BUCKET_NAME', 'HOSTNAME', ...Object.keys(this.props.environment ?? {})],
      }));
    }
    return found.map(problem => `${problem.wrong}. ${problem.instead}`);
  }
}
