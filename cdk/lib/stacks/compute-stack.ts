import * as path from 'node:path';
import { Stack, type StackProps, Validations, aws_ec2 as ec2, aws_ecr as ecr, aws_ecs as ecs, aws_elasticloadbalancingv2 as elb,
  aws_logs as logs, aws_s3 as s3 } from 'aws-cdk-lib';
import { FirelensRouter } from '@noroshi/firelens-router';
import type { Construct } from 'constructs';
import { NAMES, type Settings } from '../settings';
import { logBucketName } from './monitoring-stack';
import { type ServiceNetwork, importNetwork } from './network-stack';

export interface ComputeStackProps extends StackProps {
  readonly settings: Settings;
  /** Undefined: the one described by the settings. */
  readonly network?: ServiceNetwork;
}

/** The configuration that the router's image holds. */
const ROUTER_CONFIG = path.join(__dirname, '../../docker/fluent-bit/fluent-bit.conf');

/**
 * The service: the FastAPI backend and the log router beside it. Repositories, groups and bucket are referred to by
 * name, so that the rollback switch changes this stack and no other.
 */
export class ComputeStack extends Stack {
  constructor(scope: Construct, id: string, props: ComputeStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const network = props.network ?? importNetwork(this, settings.network!);
    const cluster = new ecs.Cluster(this, 'Cluster', {
      clusterName: NAMES.cluster,
      vpc: network.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
    });
    const taskDefinition = new ecs.FargateTaskDefinition(this, 'Task', { family: NAMES.service, cpu: 256, memoryLimitMiB: 1024 });

    const router = new FirelensRouter(this, 'Router', {
      taskDefinition,
      routing: settings.routing,
      image: this.image('RouterRepository', NAMES.routerRepository, settings.routerTag),
      bucket: s3.Bucket.fromBucketName(this, 'LogBucket', logBucketName(this, settings)),
      keyPrefix: NAMES.keyPrefix,
      errorLogGroup: logs.LogGroup.fromLogGroupName(this, 'ErrorLog', NAMES.errorLogGroup),
      fallbackLogGroup: logs.LogGroup.fromLogGroupName(this, 'BackendLog', NAMES.backendLogGroup),
      routerLogGroup: logs.LogGroup.fromLogGroupName(this, 'RouterLog', NAMES.routerLogGroup),
      configSource: ROUTER_CONFIG,
    });
    const backend = taskDefinition.addContainer(NAMES.container, {
      containerName: NAMES.container,
      image: this.image('BackendRepository', NAMES.backendRepository, settings.backendTag),
      portMappings: [{ containerPort: NAMES.containerPort }],
      logging: router.logDriver('backend'),
    });
    router.attach(backend);
    taskDefinition.defaultContainer = backend;

    const service = new ecs.FargateService(this, 'Service', {
      serviceName: NAMES.service,
      cluster,
      taskDefinition,
      desiredCount: settings.desiredCount,
      platformVersion: ecs.FargatePlatformVersion.VERSION1_4,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { enable: true, rollback: true },
      assignPublicIp: false,
      vpcSubnets: network.subnets,
      // Both by id: this stack changes no rule of theirs.
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(this, 'ServiceGroup', network.securityGroupId, { mutable: false })],
    });
    const targets = elb.ApplicationTargetGroup.fromTargetGroupAttributes(this, 'Targets', { targetGroupArn: network.targetGroupArn });
    service.attachToApplicationTargetGroup(targets);
    Validations.of(targets).acknowledge({
      id: 'Annotation::@aws-cdk/aws-elbv2:albTargetGroupCannotRegisterConnectable',
      reason: 'Who may reach the tasks is the business of the network, which has the rule already.',
    });
    Validations.of(taskDefinition).acknowledge({ id: 'AwsSolutions-ECS2', reason: 'The variables are a region and the name of a bucket, no secrets.' });
    Validations.of(taskDefinition).acknowledge({ id: 'AwsSolutions-IAM5[Resource::*]', reason: 'ecr:GetAuthorizationToken knows no resources.' });
  }

  private image(id: string, repository: string, tag: string): ecs.ContainerImage {
    return ecs.ContainerImage.fromEcrRepository(ecr.Repository.fromRepositoryName(this, id, repository), tag);
  }
}
