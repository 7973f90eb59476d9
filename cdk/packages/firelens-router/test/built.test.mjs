// The package as jsii built it and as npm would ship it, used by its name from plain JavaScript.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { App, Stack, aws_ecs as ecs, aws_logs as logs } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { FirelensRouter, LogArchive } from '@noroshi/firelens-router';

const folder = fileURLToPath(new URL('..', import.meta.url));

test('the built constructs make a task with a router', () => {
  const stack = new Stack(new App(), 'Team');
  const taskDefinition = new ecs.FargateTaskDefinition(stack, 'Task');
  const image = ecs.ContainerImage.fromRegistry('image');
  const router = new FirelensRouter(stack, 'Router', {
    taskDefinition, image, bucket: new LogArchive(stack, 'Archive').bucket, errorLogGroup: new logs.LogGroup(stack, 'Errors'),
  });
  router.attach(taskDefinition.addContainer('app', { image, logging: router.logDriver('app') }));
  const template = Template.fromStack(stack);
  const [task] = Object.values(template.findResources('AWS::ECS::TaskDefinition'));
  assert.deepEqual(task.Properties.ContainerDefinitions.map(container => container.Name), ['log-router', 'app']);
});

test('jsii describes the constructs, their properties and enumerations', () => {
  const { types } = JSON.parse(fs.readFileSync(`${folder}/.jsii`, 'utf8'));
  assert.deepEqual(Object.keys(types).map(name => name.split('.')[1]).sort(), [
    'FirelensRouter', 'FirelensRouterProps', 'HealthCheckMode', 'LogArchive', 'LogArchiveProps', 'LogRouting', 'RouterMonitoring', 'RouterMonitoringProps',
  ]);
});

test('the package ships what it needs and nothing else', () => {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  const paths = files.map(file => file.path).sort();
  const roots = new Set(paths.map(path => path.split('/')[0]));
  assert.deepEqual([...roots].sort(), ['.jsii', 'README.md', 'examples', 'lib', 'package.json']);
  for (const path of ['lib/index.js', 'lib/index.d.ts', 'lib/firelens-router.js', 'lib/traps.js', 'examples/minimal.ts']) assert.ok(paths.includes(path), path);
});
