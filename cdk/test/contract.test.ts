// What the template, the image and its configuration must agree on. Each side could change alone; here it is noticed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { ClassicConfig } from '../packages/firelens-router/src/classic-config';
import { CDK, REPOSITORY, container, flat, grants, only, resources, templates } from './templates';

const IMAGE = path.join(CDK, 'docker/fluent-bit');
const config = new ClassicConfig(fs.readFileSync(path.join(IMAGE, 'fluent-bit.conf'), 'utf8'));
const router = () => container(templates().Compute, 'log-router');
const configFile = (): string => router().FirelensConfiguration.Options['config-file-value'];
const output = (plugin: string) => {
  const [found, ...others] = config.of('OUTPUT').filter(section => section.plugin === plugin);
  assert.equal(others.length, 0);
  return found;
};

test('the configuration is the specification\'s, to the byte of each section', () => {
  const design = path.join(REPOSITORY, 'tests/golden/config/specified/input.conf');
  assert.equal(fs.readFileSync(path.join(IMAGE, 'fluent-bit.conf'), 'utf8'), fs.readFileSync(design, 'utf8'));
});

test('every variable of the configuration is set in the container, and no other', () => {
  const set = (router().Environment as { Name: string }[]).map(variable => variable.Name);
  assert.deepEqual([...config.variables].sort(), [...set].sort());
});

test('bucket: the name in the container is the one that is granted and, by name, the one that is made', () => {
  assert.equal(output('s3').value('bucket'), '${LOG_BUCKET_NAME}');
  const [, s3Grant] = grants(templates().Compute, /TaskRole/);
  const name = flat((router().Environment as { Name: string; Value: unknown }[]).find(variable => variable.Name === 'LOG_BUCKET_NAME')!.Value);
  assert.deepEqual(s3Grant.resources, [`arn:aws:s3:::${name}/logs/*`]);
  const made = resources(templates().Monitoring, 'AWS::S3::Bucket').map(bucket => bucket.Properties.BucketName).filter(each => each !== undefined);
  assert.deepEqual(made.map(flat), [name]);
});

test('keys: s3_key_format is the granted prefix and the table\'s partitions, with as many digits', () => {
  const format = output('s3').value('s3_key_format')!;
  const table = only(templates().Monitoring, 'AWS::Glue::Table').Properties.TableInput;
  const template = flat(table.Parameters['storage.location.template']).replace(/^s3:\/\/[^/]+/, '');
  const rendered = template.replace('${year}', '%Y').replace('${month}', '%m').replace('${day}', '%d').replace('${hour}', '%H');
  assert.ok(format.startsWith(rendered), `${format} does not begin with ${rendered}`);
  for (const part of ['month', 'day', 'hour']) assert.equal(table.Parameters[`projection.${part}.digits`], '2');
  assert.equal(table.Parameters.compressionType, output('s3').value('compression'));
});

test('group: log_group_name is granted, made, watched by an alarm', () => {
  const group = output('cloudwatch_logs').value('log_group_name')!;
  const [logsGrant] = grants(templates().Compute, /TaskRole/);
  assert.ok(logsGrant.resources.every(arn => arn.endsWith(`:log-group:${group}`) || arn.endsWith(`:log-group:${group}:*`)));
  const made = resources(templates().Monitoring, 'AWS::Logs::LogGroup').map(each => each.Properties.LogGroupName as string);
  assert.ok(made.includes(group));
  // The router's own log group, and that of the rollback, are made there too.
  assert.ok(made.includes(router().LogConfiguration.Options['awslogs-group'] as string));
  const before = container(templates({ logRouting: 'awslogs' }).Compute, 'backend').LogConfiguration.Options['awslogs-group'] as string;
  assert.ok(made.includes(before));
});

test('disk: store_dir, and beside it the journal, lie on the task\'s volume', () => {
  const volume = router().MountPoints[0].ContainerPath as string;
  assert.equal(path.posix.dirname(output('s3').value('store_dir')!), volume);
});

test('ports: the agent\'s 24224 for FireLens, and the admin API where the health check asks', () => {
  assert.equal(config.of('INPUT')[0].value('port'), '24224');
  const url = new URL((router().HealthCheck.Command as string[]).at(-1)!);
  assert.deepEqual([url.hostname, url.port, url.pathname], ['localhost', config.service('http_port') ?? '2020', '/api/v1/health']);
});

test('the default tag of the router\'s image is the router\'s version', () => {
  const version = /project\(noroshi VERSION (\S+)/.exec(fs.readFileSync(path.join(REPOSITORY, 'CMakeLists.txt'), 'utf8'))![1];
  assert.match(flat(router().Image), new RegExp(`:${version.replaceAll('.', '\\.')}$`));
});

// -- the image -----------------------------------------------------------------------------------------------------------
// Read, not built: tests/docker/ builds and runs it where Docker can.

const withImage = { skip: fs.existsSync(path.join(IMAGE, 'Dockerfile')) ? false : 'cdk/docker/fluent-bit/Dockerfile is not there yet' };

function source(file: string): string {
  return fs.readFileSync(path.join(IMAGE, file), 'utf8').replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ');
}

/** Instructions of the last stage. */
function lastStage(): string[] {
  return source('Dockerfile').split(/^(?=FROM\s)/mi).at(-1)!.split('\n').map(line => line.trim().replace(/\s+/g, ' '));
}

test('image: fluent-bit.conf lies where FireLens includes it', withImage, () => {
  const folder = /install [^&]*-t \/router(\S+) [^&]*fluent-bit\/fluent-bit\.conf\b/.exec(source('Dockerfile'))?.[1];
  assert.equal(`${folder}/fluent-bit.conf`, configFile());
  assert.ok(lastStage().includes('COPY --from=build /router/ /'));
});

test('image: the program of the health check is in it', withImage, () => {
  const program = (router().HealthCheck.Command as string[])[1];
  assert.match(source('Dockerfile'), /assemble\.sh \S+ noroshi \/router/);
  const place = /install .*"\$program" "\$image(\S+)\/\$name"/.exec(source('image/assemble.sh'))?.[1];
  assert.equal(`${place}/noroshi`, program);
});

test('image: it starts with the file that the agent generates', withImage, () => {
  assert.ok(lastStage().includes('CMD ["/entrypoint.sh"]'));
  assert.match(source('image/root/entrypoint.sh'), /^exec \S+ .*-c \/fluent-bit\/etc\/fluent-bit\.conf$/m);
  assert.ok(!lastStage().some(line => line.startsWith('ENTRYPOINT')));
});

test('image: it names no user and no volume, which the task definition would have to know', withImage, () => {
  assert.deepEqual(lastStage().filter(line => /^(USER|VOLUME)\b/i.test(line)), []);
  assert.equal(router().User, '0');
});

// -- the router's own numbers ----------------------------------------------------------------------------------------------

const PROGRAM = path.join(process.env.NOROSHI_BIN_DIR ?? path.join(REPOSITORY, 'build/release/bin'), 'noroshi');

/** The first line of statistics that the real program prints. */
async function statisticsLine(): Promise<Record<string, unknown>> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'statistics-'));
  fs.writeFileSync(path.join(directory, 'router.conf'), `[SERVICE]
    noroshi.statistics_interval 1
    HTTP_Server Off
    storage.path ${directory}
[INPUT]
    Name dummy
[OUTPUT]
    Name s3
    Match *
    bucket team-logs
    region eu-west-1
    endpoint http://127.0.0.1:1
    store_dir ${directory}/s3
`);
  const child = spawn(PROGRAM, ['-c', path.join(directory, 'router.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    let text = '';
    for await (const chunk of child.stderr) {
      text += String(chunk);
      const line = /^\{.*\}$/m.exec(text);
      if (line) return JSON.parse(line[0]) as Record<string, unknown>;
    }
    throw new Error(`the program ended without statistics:\n${text}`);
  } finally {
    child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

test('every metric filter selects a number of the line that the router prints', {
  skip: fs.existsSync(PROGRAM) ? false : `no program ${PROGRAM}: NOROSHI_BIN_DIR says where it is`, timeout: 30_000,
}, async () => {
  const line = await statisticsLine();
  const filters = resources(templates().Monitoring, 'AWS::Logs::MetricFilter').map(each => each.Properties);
  for (const filter of filters) {
    const [, key, value] = /^\{ \$\.(\w+) = "(\w+)" \}$/.exec(filter.FilterPattern as string)!;
    assert.equal(line[key], value);
    const selector = filter.MetricTransformations[0].MetricValue as string;
    const selected = selector.replace(/^\$\./, '').split('.').reduce<unknown>((object, name) => (object as Record<string, unknown> | undefined)?.[name], line);
    assert.equal(typeof selected, 'number', `${selector} of ${JSON.stringify(line)}`);
  }
});
