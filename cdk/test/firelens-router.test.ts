// The construct by itself, as another team uses it: what it adds, and every trap it refuses.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { App, Duration, Stack, aws_ecs as ecs, aws_logs as logs, aws_s3 as s3 } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { FirelensRouter, type FirelensRouterProps, HealthCheckMode, LogRouting } from '@noroshi/firelens-router';
import { MinimalStack } from '../packages/firelens-router/examples/minimal';
import { container, flat, grants, only, withoutRules } from './templates';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'firelens-router-'));
after(() => fs.rmSync(directory, { recursive: true }));

const IMAGE = ecs.ContainerImage.fromRegistry('image');

type Props = Partial<FirelensRouterProps> & { readonly config?: string };
type Use = (router: FirelensRouter, taskDefinition: ecs.FargateTaskDefinition) => void;

/** An application that uses the construct as it is meant. */
const asMeant: Use = (router, taskDefinition) => {
  router.attach(taskDefinition.addContainer('app', { image: IMAGE, logging: router.logDriver('app') }));
};

let files = 0;

function template({ config, ...props }: Props = {}, use: Use = asMeant): Template {
  return withoutRules(() => {
    const stack = new Stack(new App(), 'Team', { env: { region: 'eu-west-1' } });
    const taskDefinition = new ecs.FargateTaskDefinition(stack, 'Task');
    let configSource: string | undefined;
    if (config !== undefined) {
      configSource = path.join(directory, `${++files}.conf`);
      fs.writeFileSync(configSource, config);
    }
    const router = new FirelensRouter(stack, 'Router', {
      taskDefinition,
      image: IMAGE,
      bucket: s3.Bucket.fromBucketName(stack, 'Bucket', 'team-logs'),
      errorLogGroup: logs.LogGroup.fromLogGroupName(stack, 'Errors', '/team/errors'),
      configSource,
      ...props,
    });
    use(router, taskDefinition);
    return Template.fromStack(stack);
  });
}

test('the minimal example: router, archive, group; no alarm and no network of its own', () => {
  const minimal = withoutRules(() => Template.fromStack(new MinimalStack(new App(), 'Minimal')));
  assert.deepEqual(container(minimal, 'app').LogConfiguration, { LogDriver: 'awsfirelens' });
  assert.deepEqual(container(minimal, 'app').DependsOn, [{ Condition: 'START', ContainerName: 'log-router' }]);
  minimal.resourceCountIs('AWS::S3::Bucket', 1);
  minimal.resourceCountIs('AWS::Glue::Table', 1);
  // Without a group of its own for the router the construct makes one.
  minimal.resourceCountIs('AWS::Logs::LogGroup', 2);
});

test('permissions follow bucket, prefix and group', () => {
  const made = template({ keyPrefix: 'team/' });
  assert.deepEqual(grants(made, /TaskRole/).map(grant => grant.resources), [
    ['arn:<AWS::Partition>:logs:eu-west-1:<AWS::AccountId>:log-group:/team/errors', 'arn:<AWS::Partition>:logs:eu-west-1:<AWS::AccountId>:log-group:/team/errors:*'],
    ['arn:<AWS::Partition>:s3:::team-logs/team/*'],
  ]);
});

test('a group and a bucket of the same stack are granted too', () => {
  const minimal = withoutRules(() => Template.fromStack(new MinimalStack(new App(), 'Minimal')));
  const [logsGrant, s3Grant] = grants(minimal, /TaskRole/);
  assert.match(logsGrant.resources[0], /:log-group:<Errors\w+>$/);
  assert.match(logsGrant.resources[1], /:log-group:<Errors\w+>:\*$/);
  assert.match(s3Grant.resources[0], /^<ArchiveBucket\w+\.Arn>\/logs\/\*$/);
});

test('properties reach the container', () => {
  const router = container(template({
    memoryReservationMiB: 64, memoryLimitMiB: 128, stopTimeout: Duration.seconds(60), bufferPath: '/buffer', program: '/bin/router',
    configFile: '/configs/team.conf', environment: { STAGE: 'test' }, healthCheckMode: HealthCheckMode.LIVENESS,
  }), 'log-router');
  assert.deepEqual([router.MemoryReservation, router.Memory, router.StopTimeout], [64, 128, 60]);
  assert.equal(router.MountPoints[0].ContainerPath, '/buffer');
  assert.equal(router.FirelensConfiguration.Options['config-file-value'], '/configs/team.conf');
  assert.deepEqual(router.HealthCheck.Command, ['CMD', '/bin/router', 'health', 'http://localhost:2020/api/v1/uptime']);
  assert.deepEqual((router.Environment as { Name: string; Value: unknown }[]).map(each => `${each.Name}=${flat(each.Value)}`),
    ['AWS_REGION=eu-west-1', 'LOG_BUCKET_NAME=team-logs', 'STAGE=test']);
  assert.equal(container(template({ healthCheckMode: HealthCheckMode.NONE }), 'log-router').HealthCheck, undefined);
});

test('an application can wait for the first health check', () => {
  const made = template({ dependencyCondition: ecs.ContainerDependencyCondition.HEALTHY });
  assert.deepEqual(container(made, 'app').DependsOn, [{ Condition: 'HEALTHY', ContainerName: 'log-router' }]);
});

test('options of one container: patterns, and another output', () => {
  const made = template({}, (router, taskDefinition) => {
    router.attach(taskDefinition.addContainer('app', {
      image: IMAGE, logging: router.logDriver('app', { 'Name': 'cloudwatch_logs', 'log_group_name': 'g', 'exclude-pattern': 'healthcheck' }),
    }));
  });
  assert.deepEqual(container(made, 'app').LogConfiguration.Options, { 'Name': 'cloudwatch_logs', 'log_group_name': 'g', 'exclude-pattern': 'healthcheck' });
});

test('rollback: no router, the group of before, the same task role', () => {
  const props = (stack: Stack): Props => ({ fallbackLogGroup: logs.LogGroup.fromLogGroupName(stack, 'Before', '/team/app') });
  const made = template({ ...props(new Stack(new App(), 'Other', { env: { region: 'eu-west-1' } })), routing: LogRouting.AWSLOGS });
  assert.equal(only(made, 'AWS::ECS::TaskDefinition').Properties.ContainerDefinitions.length, 1);
  assert.equal(container(made, 'app').LogConfiguration.Options['awslogs-group'], '/team/app');
  assert.equal(container(made, 'app').DependsOn, undefined);
  assert.deepEqual(grants(made, /TaskRole/), grants(template(), /TaskRole/));
});

// -- traps -------------------------------------------------------------------------------------------------------------

const OUTPUTS = '[OUTPUT]\n    Name s3\n    Match *\n    bucket ${LOG_BUCKET_NAME}\n    s3_key_format /logs/%Y\n    store_dir /tmp/fluent-bit/s3\n';
const firelens = (options?: { [name: string]: string }): Use => (router, taskDefinition) => {
  router.attach(taskDefinition.addContainer('app', { image: IMAGE, logging: ecs.LogDrivers.firelens({ options }) }));
};

const TRAPS: [what: string, props: Props, use: Use, message: RegExp][] = [
  ['a configuration where the agent writes its own', { configFile: '/fluent-bit/etc/fluent-bit.conf' }, asMeant,
    /Team\/Router: configFile "\/fluent-bit\/etc\/fluent-bit.conf" lies where the ECS agent puts the file it generates.*Copy it to another folder in the Dockerfile/],
  ['a configuration under the mounted /var/run', { configFile: '/var/run/router.conf' }, asMeant, /over which the ECS agent mounts the socket's folder/],
  ['a configuration in S3', { configFile: 'arn:aws:s3:::configs/fluent-bit.conf' }, asMeant, /Fargate knows no config-file-type s3.*Copy the configuration into the image/],
  ['a relative path', { configFile: 'fluent-bit.conf' }, asMeant, /no absolute path/],
  ['a YAML file, which a classic one cannot include', { configFile: '/fluent-bit/configs/router.yaml' }, asMeant, /is YAML/],
  ['a volume over the program', { bufferPath: '/fluent-bit' }, asMeant, /bufferPath is "\/fluent-bit"/],
  ['less time to stop than the router takes', { stopTimeout: Duration.seconds(20) }, asMeant, /stopTimeout of 20 s is too short.*at least 30 s/],
  ['more time to stop than Fargate gives', { stopTimeout: Duration.seconds(300) }, asMeant, /Fargate takes 2 to 120 s/],
  ['a rollback to nowhere', { routing: LogRouting.AWSLOGS }, asMeant, /no fallbackLogGroup/],
  ['the specification\'s options, through the construct', {}, (router, taskDefinition) => {
    taskDefinition.addContainer('app', { image: IMAGE, logging: router.logDriver('app', { Name: 'forward', Host: 'log-router', Port: '24224', Retry_Limit: '2' }) });
  }, /forward to its own input.*Leave the options out/],
  ['the specification\'s options, past the construct', {}, firelens({ Name: 'forward', Host: 'log-router', Port: '24224', Retry_Limit: '2' }), /log options of app:.*forward to its own input/],
  ['a forward without host and port', {}, firelens({ Name: 'forward' }), /forward to its own input/],
  ['a forward to the driver\'s socket', {}, firelens({ Name: 'forward', Unix_Path: '/var/run/fluent.sock' }), /forward to its own input/],
  ['options without Name', {}, firelens({ region: 'eu-west-1' }), /region without Name/],
  ['name in small letters', {}, firelens({ name: 's3' }), /written "name".*Write it "Name"/],
  ['Match among the options', {}, firelens({ Name: 's3', Match: '*' }), /"Match" is among them.*Leave it out/],
  ['a container that does not wait for the router', {}, (router, taskDefinition) => {
    taskDefinition.addContainer('app', { image: IMAGE, logging: router.logDriver('app') });
  }, /app logs to the router and does not depend on it.*Call router\.attach\(app\)/],
  ['nobody who logs to the router', {}, (_router, taskDefinition) => {
    taskDefinition.addContainer('app', { image: IMAGE });
  }, /no container of the task logs to the router/],
  ['a tag that no container has', { config: OUTPUTS.replace('Match *', 'Match ap-firelens*') }, asMeant,
    /1\.conf:1: Match ap-firelens\* of s3 fits no record of this task, whose tags are app-firelens-<task id>.*Match app-firelens\*/],
  ['a filter for a tag that no container has', { config: `[FILTER]\n    Name grep\n    Match backend.*\n    Regex log x\n${OUTPUTS}` }, asMeant, /Match backend\.\* of grep fits no record/],
  ['a forward to the router in the configuration', { config: `[OUTPUT]\n    Name forward\n    Match *\n    Host 127.0.0.1\n` }, asMeant, /the output forward sends to the router's own input/],
  ['another bucket', { config: OUTPUTS.replace('${LOG_BUCKET_NAME}', 'other') }, asMeant, /the bucket is other, and the task may only write to team-logs/],
  ['keys where the task may not write', { config: OUTPUTS.replace('/logs/', '/log/') }, asMeant, /s3_key_format \/log\/%Y is outside of logs\//],
  ['a spool on the read-only disk', { config: OUTPUTS.replace('/tmp/fluent-bit/s3', '/var/spool') }, asMeant, /store_dir \/var\/spool is outside of the volume \/tmp\/fluent-bit/],
  ['a journal on the read-only disk', { config: `[SERVICE]\n    storage.path /var/lib/x\n${OUTPUTS}` }, asMeant, /storage\.path \/var\/lib\/x is outside of the volume/],
  ['another log group', { config: `${OUTPUTS}[OUTPUT]\n    Name cloudwatch_logs\n    Match *\n    log_group_name /team/error\n` }, asMeant,
    /log_group_name \/team\/error, and the task may only write to \/team\/errors/],
  ['a grace that ECS does not give', { config: `[SERVICE]\n    Grace 2m\n${OUTPUTS}` }, asMeant, /Grace 2m is longer than stopTimeout \(120 s\).*at most 115/],
  ['an endless grace', { config: `[SERVICE]\n    Grace -1\n${OUTPUTS}` }, asMeant, /Grace -1 is longer/],
  ['health on another port', { config: `[SERVICE]\n    HTTP_Port 2021\n${OUTPUTS}` }, asMeant, /asks port 2020, where HTTP_Port is 2021/],
  ['health switched off', { config: `[SERVICE]\n    HTTP_Server Off\n${OUTPUTS}` }, asMeant, /asks port 2020, where HTTP_Server is off/],
  ['a variable nobody sets', { config: OUTPUTS.replace('Match *', 'Match *\n    region ${REGION}') }, asMeant, /uses \$\{REGION\}, which the router's container does not have.*environment: \{ REGION: … \}/],
];

for (const [what, props, use, message] of TRAPS) {
  test(`refused: ${what}`, () => {
    assert.throws(() => template(props, use), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  });
}

// -- and what only looks like one ----------------------------------------------------------------------------------------

const FINE: [what: string, props: Props, use?: Use][] = [
  ['a forward to another host', { config: '[OUTPUT]\n    Name forward\n    Match *\n    Host aggregator.example\n' }],
  ['a forward to another port', {}, firelens({ Name: 'forward', Host: '127.0.0.1', Port: '24284' })],
  ['tags of rewrite_tag', { config: `[FILTER]\n    Name rewrite_tag\n    Match *\n    Rule level ^ERROR$ errors false\n${OUTPUTS.replace('Match *', 'Match errors')}` }],
  ['tags that applications send themselves', { config: OUTPUTS.replace('Match *', 'Match metrics.*'), additionalTags: ['metrics.cpu'] }],
  ['the tag of an input of its own', { config: `[INPUT]\n    Name dummy\n    Tag beat\n${OUTPUTS.replace('Match *', 'Match beat')}` }],
  ['the tag of the agent\'s health check', { config: `${OUTPUTS}[OUTPUT]\n    Name null\n    Match firelens-healthcheck\n` }],
  ['variables with a default, of @SET, and given', { config: `@SET A=1\n${OUTPUTS.replace('Match *', 'Match *\n    region ${B:-x}\n    profile ${A}\n    endpoint ${C}')}`, environment: { C: 'c' } }],
  ['a bucket that is a variable of its own', { config: OUTPUTS.replace('${LOG_BUCKET_NAME}', '${OTHER}'), environment: { OTHER: 'x' } }],
  ['health off, and not asked for', { config: `[SERVICE]\n    HTTP_Server Off\n${OUTPUTS}`, healthCheckMode: HealthCheckMode.NONE }],
  ['a comment, blank lines, CRLF and small letters', { config: `# x\r\n\r\n[output]\r\n    name s3\r\n    match app-*\r\n    BUCKET team-logs\r\n    S3_KEY_FORMAT /logs/%Y\r\n` }],
];

for (const [what, props, use] of FINE) {
  test(`accepted: ${what}`, () => {
    assert.equal(container(template(props, use), 'app').Name, 'app');
  });
}
