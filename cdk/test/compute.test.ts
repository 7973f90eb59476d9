import assert from 'node:assert/strict';
import { test } from 'node:test';
import { container, flat, grants, listOf, only, resources, templates, types } from './templates';

const BUCKET = 'backend-logs-<AWS::AccountId>-ap-northeast-1';
const compute = () => templates().Compute;
const router = () => container(compute(), 'log-router');
const backend = () => container(compute(), 'backend');

test('the stack holds the service and its roles: nothing that has data', () => {
  assert.deepEqual(types(compute()), ['AWS::ECS::Cluster', 'AWS::ECS::Service', 'AWS::ECS::TaskDefinition',
    'AWS::IAM::Policy', 'AWS::IAM::Policy', 'AWS::IAM::Role', 'AWS::IAM::Role']);
});

test('the router: image by immutable tag, FireLens with the image\'s configuration', () => {
  assert.equal(flat(router().Image), '<AWS::AccountId>.dkr.ecr.ap-northeast-1.<AWS::URLSuffix>/fluent-bit-custom:0.1.0');
  assert.deepEqual(router().FirelensConfiguration, {
    Type: 'fluentbit',
    Options: { 'enable-ecs-log-metadata': 'true', 'config-file-type': 'file', 'config-file-value': '/fluent-bit/configs/fluent-bit.conf' },
  });
  assert.equal(router().Essential, true);
});

test('the router: 50 MB reserved, no CPU share, variables, 120 s to stop', () => {
  assert.deepEqual([router().MemoryReservation, router().Memory, router().Cpu, router().StopTimeout], [50, undefined, undefined, 120]);
  assert.deepEqual((router().Environment as { Name: string; Value: unknown }[]).map(each => [each.Name, flat(each.Value)]),
    [['AWS_REGION', 'ap-northeast-1'], ['LOG_BUCKET_NAME', BUCKET]]);
});

test('the router: health check of the specification, without a shell', () => {
  assert.deepEqual(router().HealthCheck, {
    Command: ['CMD', '/fluent-bit/bin/noroshi', 'health', 'http://localhost:2020/api/v1/health'], Interval: 30, Timeout: 3, Retries: 3,
  });
});

test('the router: read-only but for a volume of the task; its own log goes to /ecs/firelens without blocking', () => {
  assert.equal(router().ReadonlyRootFilesystem, true);
  assert.deepEqual(router().MountPoints, [{ ContainerPath: '/tmp/fluent-bit', ReadOnly: false, SourceVolume: 'log-router-buffer' }]);
  assert.deepEqual(only(compute(), 'AWS::ECS::TaskDefinition').Properties.Volumes, [{ Name: 'log-router-buffer' }]);
  assert.deepEqual(router().LogConfiguration, {
    LogDriver: 'awslogs',
    Options: { 'awslogs-group': '/ecs/firelens', 'awslogs-stream-prefix': 'firelens', 'awslogs-region': 'ap-northeast-1', 'mode': 'non-blocking' },
  });
});

test('the backend: port 8000, FireLens without options, starts after and stops before the router', () => {
  assert.deepEqual(backend().PortMappings, [{ ContainerPort: 8000, Protocol: 'tcp' }]);
  assert.deepEqual(backend().LogConfiguration, { LogDriver: 'awsfirelens' });
  assert.deepEqual(backend().DependsOn, [{ Condition: 'START', ContainerName: 'log-router' }]);
  assert.equal(only(compute(), 'AWS::ECS::TaskDefinition').Properties.ContainerDefinitions.length, 2);
});

test('task role: exactly the objects under logs/ and the one group', () => {
  const group = 'arn:aws:logs:ap-northeast-1:<AWS::AccountId>:log-group:/ecs/backend/errors';
  assert.deepEqual(grants(compute(), /TaskRole/), [
    { actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'], resources: [group, `${group}:*`] },
    { actions: ['s3:AbortMultipartUpload', 's3:PutObject'], resources: [`arn:aws:s3:::${BUCKET}/logs/*`] },
  ]);
});

test('execution role: exactly the two images and the router\'s own log', () => {
  const repository = (name: string) => `arn:aws:ecr:ap-northeast-1:<AWS::AccountId>:repository/${name}`;
  assert.deepEqual(grants(compute(), /ExecutionRole/), [
    { actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], resources: [repository('backend'), repository('fluent-bit-custom')] },
    { actions: ['ecr:GetAuthorizationToken'], resources: ['*'] },
    { actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: ['arn:aws:logs:ap-northeast-1:<AWS::AccountId>:log-group:/ecs/firelens:*'] },
  ]);
});

test('roles: no managed and no inline policy, assumed by tasks only', () => {
  for (const role of resources(compute(), 'AWS::IAM::Role')) {
    assert.equal(role.Properties.ManagedPolicyArns, undefined);
    assert.equal(role.Properties.Policies, undefined);
    assert.deepEqual((role.Properties.AssumeRolePolicyDocument.Statement as { Principal: unknown }[]).map(each => each.Principal), [{ Service: 'ecs-tasks.amazonaws.com' }]);
  }
});

test('service: private, platform 1.4.0, rolls a failed deployment back, behind the target group', () => {
  const service = only(compute(), 'AWS::ECS::Service').Properties;
  const { AssignPublicIp, Subnets } = service.NetworkConfiguration.AwsvpcConfiguration;
  assert.equal(AssignPublicIp, 'DISABLED');
  assert.equal(Subnets.length, 2);
  assert.ok(listOf(Subnets).every(id => id.includes('isolated')));
  assert.equal(service.PlatformVersion, '1.4.0');
  assert.deepEqual(service.DeploymentConfiguration.DeploymentCircuitBreaker, { Enable: true, Rollback: true });
  assert.deepEqual((service.LoadBalancers as Record<string, unknown>[]).map(each => [each.ContainerName, each.ContainerPort]), [['backend', 8000]]);
});

test('cluster and service have the names that the alarms watch', () => {
  assert.equal(only(compute(), 'AWS::ECS::Cluster').Properties.ClusterName, 'backend');
  assert.equal(only(compute(), 'AWS::ECS::Service').Properties.ServiceName, 'backend');
});
