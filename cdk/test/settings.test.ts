import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Context, app, container, flat, only, resources, templates, withoutRules } from './templates';

const ONE_SUBNET = { vpcId: 'vpc-1', subnetIds: 'subnet-1', availabilityZones: 'ap-northeast-1a', securityGroupId: 'sg-1', targetGroupArn: 'arn:x' };

const refused: [what: string, context: Context, message: RegExp][] = [
  ['a misspelt name', { logRouteing: 'awslogs' }, /unknown context logRouteing: known are region, account, logRouting/],
  ['a region that is none', { region: 'Tokyo' }, /region is "Tokyo": write it as ap-northeast-1/],
  ['an account that is none', { account: '123' }, /account is "123"/],
  ['a tag that is none', { routerTag: 'a b' }, /routerTag is "a b"/],
  ['a count that is none', { desiredCount: 'two' }, /desiredCount is "two"/],
  ['a log group nobody uses', { existingLogGroups: '/ecs/other' }, /may name \/ecs\/backend\/errors, \/ecs\/backend, \/ecs\/firelens/],
  ['an address that is none', { alarmEmail: 'team' }, /alarmEmail is "team"/],
  ['half a network', { vpcId: 'vpc-1', subnetIds: 'subnet-1' }, /needs -c availabilityZones=… -c securityGroupId=… -c targetGroupArn=… too/],
  ['a network without its VPC', { subnetIds: 'subnet-1' }, /add -c vpcId=vpc-…/],
  ['subnets without their zones', { ...ONE_SUBNET, subnetIds: 'subnet-1,subnet-2' }, /2 subnetIds stand beside 1 availabilityZones/],
  ['endpoints without route tables', { ...ONE_SUBNET, createEndpoints: 'true' }, /needs -c vpcCidr=… -c routeTableIds=… too/],
  ['endpoints that are neither wanted nor not', { ...ONE_SUBNET, createEndpoints: 'yes' }, /createEndpoints is "yes": write true or false/],
];

for (const [what, context, message] of refused) {
  test(`refused: ${what}`, () => assert.throws(() => app(context), message));
}

test('another region, other tags, another count', () => {
  const { Compute, Network } = templates({ region: 'us-west-2', routerTag: 'abc', backendTag: 'def', desiredCount: '5' });
  assert.match(flat(container(Compute, 'log-router').Image), /us-west-2.*\/fluent-bit-custom:abc$/);
  assert.match(flat(container(Compute, 'backend').Image), /us-west-2.*\/backend:def$/);
  assert.equal(only(Compute, 'AWS::ECS::Service').Properties.DesiredCount, 5);
  assert.ok(resources(Network!, 'AWS::EC2::VPCEndpoint').every(each => /us-west-2|<AWS::Region>/.test(flat(each.Properties.ServiceName))));
});

test('a concrete account needs no look-up either', () => {
  const assembly = withoutRules(() => app({ account: '123456789012' }).synth());
  assert.deepEqual(assembly.manifest.missing ?? [], []);
});
