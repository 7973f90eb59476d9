import { Duration, Fn, RemovalPolicy, Stack, type StackProps, Validations, aws_ec2 as ec2, aws_elasticloadbalancingv2 as elb, aws_logs as logs,
  aws_s3 as s3 } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { type ImportedNetwork, NAMES, type Settings } from '../settings';

/** What the service needs of its network. */
export interface ServiceNetwork {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SubnetSelection;
  readonly securityGroupId: string;
  readonly targetGroupArn: string;
}

export interface NetworkStackProps extends StackProps {
  readonly settings: Settings;
}

/** What a Fargate task without a way to the internet needs: its logs, and its image (whose layers lie in S3). */
const INTERFACE_ENDPOINTS = {
  Logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  EcrApi: ec2.InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
};

const OWN_CIDR = '10.0.0.0/16';

/**
 * The network of the service. Its own: two zones, public subnets for the load balancer, isolated ones for the tasks,
 * endpoints in place of a NAT gateway. Or one that exists: then only endpoints are made in it, and only if asked for.
 */
export class NetworkStack extends Stack {
  public readonly service: ServiceNetwork;

  constructor(scope: Construct, id: string, props: NetworkStackProps) {
    super(scope, id, props);
    this.service = props.settings.network ? this.useExisting(props.settings.network) : this.create(props.settings);
  }

  /** The first two of the region, whatever the account has: with a known account CDK would look them up. */
  public override get availabilityZones(): string[] {
    return [0, 1].map(index => Fn.select(index, Fn.getAzs()));
  }

  private useExisting(network: ImportedNetwork): ServiceNetwork {
    const service = importNetwork(this, network);
    this.addEndpoints(service.vpc, service.subnets, network.vpcCidr);
    return service;
  }

  private create(settings: Settings): ServiceNetwork {
    const vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr(OWN_CIDR),
      maxAzs: 2,
      natGateways: 0,
      // It would take a Lambda function to empty a group that nothing uses.
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'isolated', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
    });
    vpc.addFlowLog('Flow', {
      trafficType: ec2.FlowLogTrafficType.REJECT,
      destination: ec2.FlowLogDestination.toCloudWatchLogs(new logs.LogGroup(this, 'FlowLog', {
        retention: logs.RetentionDays.ONE_MONTH, removalPolicy: RemovalPolicy.DESTROY,
      })),
    });
    const subnets = { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
    this.addEndpoints(vpc, subnets, OWN_CIDR);

    const balancerGroup = new ec2.SecurityGroup(this, 'BalancerGroup', { vpc, description: 'Load balancer of the backend', allowAllOutbound: false });
    const serviceGroup = new ec2.SecurityGroup(this, 'ServiceGroup', { vpc, description: 'Tasks of the backend', allowAllOutbound: true });
    balancerGroup.addEgressRule(serviceGroup, ec2.Port.tcp(NAMES.containerPort), 'to the tasks');
    serviceGroup.addIngressRule(balancerGroup, ec2.Port.tcp(NAMES.containerPort), 'from the load balancer');
    return { vpc, subnets, securityGroupId: serviceGroup.securityGroupId, targetGroupArn: this.addBalancer(vpc, balancerGroup, settings) };
  }

  private addBalancer(vpc: ec2.Vpc, securityGroup: ec2.SecurityGroup, settings: Settings): string {
    const balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', {
      vpc, securityGroup, internetFacing: true, vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC }, dropInvalidHeaderFields: true,
    });
    balancer.logAccessLogs(this.balancerLogs());
    const targetGroup = new elb.ApplicationTargetGroup(this, 'Targets', {
      vpc,
      port: NAMES.containerPort,
      protocol: elb.ApplicationProtocol.HTTP,
      targetType: elb.TargetType.IP,
      deregistrationDelay: Duration.seconds(30),
      healthCheck: { path: '/health', healthyHttpCodes: '200', interval: Duration.seconds(30), timeout: Duration.seconds(5) },
    });
    if (settings.certificateArn === undefined) {
      balancer.addListener('Http', { port: 80, open: true, defaultTargetGroups: [targetGroup] });
    } else {
      balancer.addListener('Https', {
        port: 443, open: true, certificates: [elb.ListenerCertificate.fromArn(settings.certificateArn)],
        sslPolicy: elb.SslPolicy.RECOMMENDED_TLS, defaultTargetGroups: [targetGroup],
      });
      balancer.addRedirect({ open: true });
    }
    Validations.of(securityGroup).acknowledge({ id: 'AwsSolutions-EC23', reason: 'The load balancer is the public entrance.' });
    return targetGroup.targetGroupArn;
  }

  private balancerLogs(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'BalancerLogs', {
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [{ id: 'expire', expiration: Duration.days(90), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
    });
    Validations.of(bucket).acknowledge({ id: 'AwsSolutions-S1', reason: 'It is the bucket that access logs go to.' });
    return bucket;
  }

  private addEndpoints(vpc: ec2.IVpc, subnets: ec2.SubnetSelection, cidr: string): void {
    vpc.addGatewayEndpoint('S3', { service: ec2.GatewayVpcEndpointAwsService.S3, subnets: [subnets] });
    const securityGroup = new ec2.SecurityGroup(this, 'EndpointGroup', { vpc, description: 'Interface endpoints', allowAllOutbound: false });
    // As a literal: what is only known at deployment cannot be checked by rules.
    securityGroup.addIngressRule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443), 'from the VPC');
    for (const [name, service] of Object.entries(INTERFACE_ENDPOINTS)) {
      vpc.addInterfaceEndpoint(name, { service, subnets, securityGroups: [securityGroup], privateDnsEnabled: true, open: false });
    }
  }
}

/** A network that exists, described by context: nothing is looked up, so that synth needs no credentials. */
export function importNetwork(scope: Construct, network: ImportedNetwork): ServiceNetwork {
  const vpc = ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: network.vpcId,
    vpcCidrBlock: network.vpcCidr === '' ? undefined : network.vpcCidr,
    availabilityZones: network.availabilityZones,
    isolatedSubnetIds: network.subnetIds,
    isolatedSubnetRouteTableIds: network.routeTableIds.length > 0 ? network.routeTableIds : undefined,
  });
  Validations.of(vpc).acknowledge({ id: 'Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId', reason: 'Only the S3 endpoint needs route tables.' });
  return {
    vpc,
    subnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    securityGroupId: network.securityGroupId,
    targetGroupArn: network.targetGroupArn,
  };
}
