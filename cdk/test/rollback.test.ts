import assert from 'node:assert/strict';
import { test } from 'node:test';
import { app, container, grants, only, templates } from './templates';

const routed = () => templates();
const rolledBack = () => templates({ logRouting: 'awslogs' });

test('the switch changes the Compute template and no other', () => {
  for (const name of ['Registry', 'Monitoring', 'Network'] as const) {
    assert.deepEqual(rolledBack()[name]!.toJSON(), routed()[name]!.toJSON(), name);
  }
  assert.notDeepEqual(rolledBack().Compute.toJSON(), routed().Compute.toJSON());
});

test('rolled back: one container, which logs to /ecs/backend as before the router', () => {
  const task = only(rolledBack().Compute, 'AWS::ECS::TaskDefinition').Properties;
  assert.equal(task.ContainerDefinitions.length, 1);
  assert.equal(task.Volumes, undefined);
  const backend = container(rolledBack().Compute, 'backend');
  assert.deepEqual(backend.LogConfiguration, {
    LogDriver: 'awslogs', Options: { 'awslogs-group': '/ecs/backend', 'awslogs-stream-prefix': 'backend', 'awslogs-region': 'ap-northeast-1' },
  });
  assert.equal(backend.DependsOn, undefined);
});

test('rolled back: everything else of the backend is the same, and so are the task role and the service', () => {
  const rest = (definition: Record<string, unknown>) => ({ ...definition, LogConfiguration: undefined, DependsOn: undefined });
  assert.deepEqual(rest(container(rolledBack().Compute, 'backend')), rest(container(routed().Compute, 'backend')));
  assert.deepEqual(grants(rolledBack().Compute, /TaskRole/), grants(routed().Compute, /TaskRole/));
  assert.deepEqual(only(rolledBack().Compute, 'AWS::ECS::Service').Properties, only(routed().Compute, 'AWS::ECS::Service').Properties);
});

test('other values of the switch are refused', () => {
  assert.throws(() => app({ logRouting: 'cloudwatch' }), /logRouting is "cloudwatch"\. Write -c logRouting=firelens or -c logRouting=awslogs/);
});
