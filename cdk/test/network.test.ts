import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flat, listOf, only, resources, sorted, templates, types } from './templates';

const EXISTING = {
  vpcId: 'vpc-0123',
  availabilityZones: 'ap-northeast-1a,ap-northeast-1c',
  subnetIds: 'subnet-1,subnet-2',
  securityGroupId: 'sg-0123',
  targetGroupArn: 'arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/backend/0123456789abcdef',
};
const network = () => templates().Network!;

test('own network: two zones, isolated and public subnets, no NAT, no public addresses', () => {
  network().resourceCountIs('AWS::EC2::NatGateway', 0);
  network().resourceCountIs('AWS::EC2::EIP', 0);
  const subnets = resources(network(), 'AWS::EC2::Subnet').map(each => each.Properties);
  assert.equal(subnets.length, 4);
  assert.deepEqual(sorted(new Set(subnets.map(subnet => JSON.stringify(subnet.AvailabilityZone)))),
    [0, 1].map(index => JSON.stringify({ 'Fn::Select': [index, { 'Fn::GetAZs': '' }] })));
  assert.ok(subnets.every(subnet => subnet.MapPublicIpOnLaunch === false));
  // Ways to the internet: those of the two public subnets.
  const routes = resources(network(), 'AWS::EC2::Route').map(each => each.Properties);
  assert.deepEqual(routes.map(route => [route.DestinationCidrBlock, flat(route.RouteTableId).includes('public'), 'GatewayId' in route]),
    [['0.0.0.0/0', true, true], ['0.0.0.0/0', true, true]]);
});

test('own network: exactly the endpoints a task needs, the interfaces behind one group that takes 443 from the VPC', () => {
  const endpoints = resources(network(), 'AWS::EC2::VPCEndpoint').map(each => each.Properties);
  assert.deepEqual(sorted(endpoints.map(each => `${each.VpcEndpointType} ${flat(each.ServiceName)}`)), [
    'Gateway com.amazonaws.<AWS::Region>.s3',
    'Interface com.amazonaws.ap-northeast-1.ecr.api',
    'Interface com.amazonaws.ap-northeast-1.ecr.dkr',
    'Interface com.amazonaws.ap-northeast-1.logs',
  ]);
  const interfaces = endpoints.filter(each => each.VpcEndpointType === 'Interface');
  assert.ok(interfaces.every(each => each.PrivateDnsEnabled === true));
  assert.ok(interfaces.every(each => listOf(each.SubnetIds).length === 2 && listOf(each.SubnetIds).every(id => id.includes('isolated'))));
  assert.equal(new Set(interfaces.flatMap(each => listOf(each.SecurityGroupIds))).size, 1);
  const group = resources(network(), 'AWS::EC2::SecurityGroup').find(each => each.Properties.GroupDescription === 'Interface endpoints')!;
  assert.deepEqual((group.Properties.SecurityGroupIngress as Record<string, unknown>[]).map(rule => [rule.CidrIp, rule.FromPort, rule.ToPort]),
    [['10.0.0.0/16', 443, 443]]);
  const gateway = endpoints.find(each => each.VpcEndpointType === 'Gateway')!;
  assert.equal(listOf(gateway.RouteTableIds).filter(id => id.includes('isolated')).length, 2);
});

test('own network: the load balancer is public, and tasks take its traffic on 8000 and no other', () => {
  const balancer = only(network(), 'AWS::ElasticLoadBalancingV2::LoadBalancer').Properties;
  assert.equal(balancer.Scheme, 'internet-facing');
  assert.ok(listOf(balancer.Subnets).every(id => id.includes('public')));
  const targets = only(network(), 'AWS::ElasticLoadBalancingV2::TargetGroup').Properties;
  assert.deepEqual([targets.Port, targets.Protocol, targets.TargetType, targets.HealthCheckPath], [8000, 'HTTP', 'ip', '/health']);
  const service = resources(network(), 'AWS::EC2::SecurityGroup').find(each => each.Properties.GroupDescription === 'Tasks of the backend')!;
  assert.equal(service.Properties.SecurityGroupIngress, undefined);
  const ingress = resources(network(), 'AWS::EC2::SecurityGroupIngress').map(each => each.Properties);
  assert.deepEqual(ingress.map(rule => [rule.FromPort, rule.ToPort, flat(rule.GroupId).includes('ServiceGroup'), flat(rule.SourceSecurityGroupId).includes('BalancerGroup')]),
    [[8000, 8000, true, true]]);
});

test('a certificate makes the listener HTTPS and redirects HTTP to it', () => {
  const secure = templates({ certificateArn: 'arn:aws:acm:ap-northeast-1:123456789012:certificate/0123' }).Network!;
  const row = (template: typeof secure) => sorted(resources(template, 'AWS::ElasticLoadBalancingV2::Listener').map(each => each.Properties)
    .map(each => `${each.Port} ${each.Protocol} ${each.DefaultActions[0].Type}`));
  assert.deepEqual(row(secure), ['443 HTTPS forward', '80 HTTP redirect']);
  assert.deepEqual(row(network()), ['80 HTTP forward']);
});

test('an existing network is left alone: no Network stack, and Compute makes nothing in it', () => {
  const { Network, Compute } = templates(EXISTING);
  assert.equal(Network, undefined);
  assert.deepEqual(types(Compute).filter(type => !/^AWS::(ECS|IAM)::/.test(type)), []);
  const service = only(Compute, 'AWS::ECS::Service').Properties;
  assert.deepEqual(service.NetworkConfiguration.AwsvpcConfiguration,
    { AssignPublicIp: 'DISABLED', SecurityGroups: ['sg-0123'], Subnets: ['subnet-1', 'subnet-2'] });
  assert.equal(service.LoadBalancers[0].TargetGroupArn, EXISTING.targetGroupArn);
});

test('an existing network gets endpoints, and only those, if asked for', () => {
  const { Network } = templates({ ...EXISTING, createEndpoints: 'true', vpcCidr: '10.1.0.0/16', routeTableIds: 'rtb-1,rtb-2' });
  assert.deepEqual(types(Network!), ['AWS::EC2::SecurityGroup', ...Array<string>(4).fill('AWS::EC2::VPCEndpoint')]);
  const group = only(Network!, 'AWS::EC2::SecurityGroup').Properties;
  assert.equal(group.VpcId, 'vpc-0123');
  assert.equal(group.SecurityGroupIngress[0].CidrIp, '10.1.0.0/16');
});
