// The known traps of FireLens: what a deployment shows only as a task that does not start, or as logs that never
// arrive. Each says what is wrong and what to do instead.
import { Token, type aws_ecs as ecs } from 'aws-cdk-lib';
import { type ClassicConfig, type Section, isOff, matches, seconds } from './classic-config';

export interface Problem {
  readonly wrong: string;
  readonly instead: string;
}

/** The router's default grace, and how long its end takes beyond it. */
const DEFAULT_GRACE_SECONDS = 25;
const END_SECONDS = 5;
const FARGATE_STOP_TIMEOUT_MAX_SECONDS = 120;
const FORWARD_PORT = '24224';
const HEALTH_PORT = '2020';
/** The agent's own tag, for its health check on port 8877. */
const HEALTH_TAG = 'firelens-healthcheck';

export function checkPaths(props: { configFile: string; bufferPath: string; stopTimeoutSeconds: number }): Problem[] {
  const problems: Problem[] = [];
  const { configFile, bufferPath, stopTimeoutSeconds } = props;
  if (/^(arn:|s3:)/.test(configFile)) {
    problems.push({
      wrong: `configFile is "${configFile}", and Fargate knows no config-file-type s3`,
      instead: 'Copy the configuration into the image and name its path there, such as /fluent-bit/configs/fluent-bit.conf',
    });
  } else if (!configFile.startsWith('/')) {
    problems.push({ wrong: `configFile "${configFile}" is no absolute path`, instead: 'Name the path inside the image, such as /fluent-bit/configs/fluent-bit.conf' });
  } else if (/^\/fluent-bit\/etc(\/|$)/.test(configFile)) {
    problems.push({
      wrong: `configFile "${configFile}" lies where the ECS agent puts the file it generates, which hides the image's`,
      instead: 'Copy it to another folder in the Dockerfile, such as /fluent-bit/configs/, and name that path',
    });
  } else if (configFile.startsWith('/var/run/')) {
    problems.push({
      wrong: `configFile "${configFile}" lies under /var/run, over which the ECS agent mounts the socket's folder`,
      instead: 'Copy it to another folder in the Dockerfile, such as /fluent-bit/configs/, and name that path',
    });
  } else if (/\.ya?ml$/i.test(configFile)) {
    problems.push({
      wrong: `configFile "${configFile}" is YAML, but the ECS agent includes it into a classic file`,
      instead: 'Write the configuration in the classic format, or give the image a command of its own that reads the YAML',
    });
  }
  if (!bufferPath.startsWith('/') || bufferPath === '/' || /^\/(fluent-bit|var\/run)(\/|$)/.test(bufferPath)) {
    problems.push({
      wrong: `bufferPath is "${bufferPath}"`,
      instead: 'Name an absolute folder that nothing else uses, such as /tmp/fluent-bit: the volume hides what the image has there',
    });
  }
  if (stopTimeoutSeconds > FARGATE_STOP_TIMEOUT_MAX_SECONDS || stopTimeoutSeconds < 2) {
    problems.push({ wrong: `stopTimeout is ${stopTimeoutSeconds} s`, instead: 'Fargate takes 2 to 120 s: use 120' });
  } else if (stopTimeoutSeconds < DEFAULT_GRACE_SECONDS + END_SECONDS) {
    problems.push({
      wrong: `stopTimeout of ${stopTimeoutSeconds} s is too short: the router delivers for up to ${DEFAULT_GRACE_SECONDS} s (Grace) when the task stops`,
      instead: `Use at least ${DEFAULT_GRACE_SECONDS + END_SECONDS} s; 120 is Fargate's longest`,
    });
  }
  return problems;
}

/** Options of the awsfirelens driver, which the agent copies into an [OUTPUT] of the router. */
export function checkLogOptions(options: { [name: string]: string }, routerName: string): Problem | undefined {
  const keys = Object.keys(options);
  const outputKeys = keys.filter(key => !['include-pattern', 'exclude-pattern', 'log-driver-buffer-limit'].includes(key));
  const wrongName = keys.find(key => key.toLowerCase() === 'name' && key !== 'Name');
  if (wrongName !== undefined) {
    return { wrong: `the option is written "${wrongName}"`, instead: 'Write it "Name": the ECS agent looks for exactly that and stops the task otherwise' };
  }
  if (outputKeys.length > 0 && options.Name === undefined) {
    return {
      wrong: `${outputKeys.join(', ')} without Name`,
      instead: 'Say which output plugin they are for with Name, or leave them out and write them into the router\'s configuration',
    };
  }
  const match = keys.find(key => key.toLowerCase() === 'match' || key.toLowerCase() === 'match_regex');
  if (match !== undefined) {
    return { wrong: `"${match}" is among them`, instead: 'Leave it out: the ECS agent writes Match itself, <container>-firelens*' };
  }
  if (options.Name?.toLowerCase() === 'forward' && isOwnListener(options.Host ?? options.host ?? '127.0.0.1',
    options.Port ?? options.port ?? FORWARD_PORT, options.Unix_Path ?? options.unix_path, routerName)) {
    return {
      wrong: 'they make the router forward to its own input: each record would come back for ever',
      instead: 'Leave the options out. The driver finds the router by itself, and the router\'s configuration says where records go',
    };
  }
  return undefined;
}

function isOwnListener(host: string, port: string, unixPath: string | undefined, routerName: string): boolean {
  if (unixPath !== undefined) return unixPath === '/var/run/fluent.sock';
  const own = ['127.0.0.1', 'localhost', '::1', '0.0.0.0', 'log-router', 'log_router', '${FLUENT_HOST}', routerName];
  return port.trim() === FORWARD_PORT && own.includes(host.trim());
}

/** The containers of the task. */
export function checkSenders(router: ecs.ContainerDefinition, senders: ecs.ContainerDefinition[]): Problem[] {
  const problems: Problem[] = [];
  if (senders.length === 0) {
    problems.push({
      wrong: 'no container of the task logs to the router',
      instead: 'Give the application\'s container logging: router.logDriver(\'app\'), then router.attach(container)',
    });
  }
  for (const sender of senders) {
    if (sender === router) {
      problems.push({ wrong: 'the router logs to itself', instead: 'Give it the awslogs driver' });
      continue;
    }
    const waits = sender.containerDependencies.some(dependency => dependency.container === router);
    if (!waits) {
      problems.push({
        wrong: `${sender.containerName} logs to the router and does not depend on it: at the end of the task the router could stop first and miss its last lines`,
        instead: `Call router.attach(${sender.containerName})`,
      });
    }
    const options = sender.logDriverConfig?.options;
    const problem = checkLogOptions((options ?? {}), router.containerName);
    if (problem) problems.push({ wrong: `the log options of ${sender.containerName}: ${problem.wrong}`, instead: problem.instead });
  }
  return problems;
}

export interface TaskFacts {
  readonly source: string;
  readonly senders: string[];
  readonly additionalTags: string[];
  readonly routerName: string;
  readonly bucketName: string;
  readonly keyPrefix: string;
  readonly errorLogGroupName: string;
  readonly bufferPath: string;
  readonly stopTimeoutSeconds: number;
  readonly healthChecked: boolean;
  readonly environment: string[];
}

/** The router's configuration against the task it will run in. */
export function checkConfiguration(config: ClassicConfig, task: TaskFacts): Problem[] {
  return [
    ...checkTags(config, task),
    ...checkOutputs(config, task),
    ...checkService(config, task),
    ...config.variables.filter(name => !task.environment.includes(name)).map(name => ({
      wrong: `${task.source} uses \${${name}}, which the router's container does not have`,
      instead: `Set it with environment: { ${name}: … }, or give it a default: \${${name}:-…}`,
    })),
  ];
}

function checkTags(config: ClassicConfig, task: TaskFacts): Problem[] {
  // What rewrite_tag makes, and what an included file reads, cannot be known here.
  if (config.includes || config.of('FILTER').some(section => section.plugin === 'rewrite_tag')) return [];
  const inputs = config.of('INPUT').map(section => section.value('tag')).filter(tag => tag !== undefined);
  const containerTags = task.senders.map(name => `${name}-firelens-0123456789abcdef0123456789abcdef`);
  const tags = [...containerTags, ...inputs, ...task.additionalTags, HEALTH_TAG];
  return [...config.of('FILTER'), ...config.of('OUTPUT')].flatMap(section => {
    const pattern = section.value('match');
    if (pattern === undefined || tags.some(tag => matches(pattern, tag))) return [];
    return [{
      wrong: `${task.source}:${section.line}: Match ${pattern} of ${section.plugin} fits no record of this task, whose tags are `
        + [...task.senders.map(name => `${name}-firelens-<task id>`), ...inputs, ...task.additionalTags].join(', '),
      instead: `Write Match *, or Match ${task.senders[0] ?? 'container'}-firelens*; tags that an application sends to port ${FORWARD_PORT} itself belong into additionalTags`,
    }];
  });
}

function checkOutputs(config: ClassicConfig, task: TaskFacts): Problem[] {
  const at = (section: Section) => `${task.source}:${section.line}:`;
  return config.of('OUTPUT').flatMap((section): Problem[] => {
    const problems: Problem[] = [];
    const value = (key: string) => section.value(key);
    switch (section.plugin) {
      case 'forward':
        if (isOwnListener(value('host') ?? '127.0.0.1', value('port') ?? FORWARD_PORT, value('unix_path'), task.routerName)) {
          problems.push({ wrong: `${at(section)} the output forward sends to the router's own input`, instead: 'Remove it: each record would come back for ever' });
        }
        break;
      case 's3': {
        const bucket = value('bucket') ?? '';
        if (!bucket.includes('${') && !Token.isUnresolved(task.bucketName) && bucket !== task.bucketName) {
          problems.push({
            wrong: `${at(section)} the bucket is ${bucket || 'missing'}, and the task may only write to ${task.bucketName}`,
            instead: 'Write bucket ${LOG_BUCKET_NAME}',
          });
        }
        const format = value('s3_key_format') ?? '/fluent-bit-logs/';
        if (!format.replace(/^\//, '').startsWith(task.keyPrefix)) {
          problems.push({
            wrong: `${at(section)} s3_key_format ${format} is outside of ${task.keyPrefix}, where the task may write`,
            instead: `Begin it with /${task.keyPrefix}, or set keyPrefix`,
          });
        }
        const directory = value('store_dir') ?? '/tmp/fluent-bit/s3';
        if (!`${directory}/`.startsWith(`${task.bufferPath}/`)) {
          problems.push({
            wrong: `${at(section)} store_dir ${directory} is outside of the volume ${task.bufferPath}, and the rest of the container is read-only`,
            instead: `Put it under ${task.bufferPath}/, or set bufferPath`,
          });
        }
        break;
      }
      case 'cloudwatch_logs':
      case 'cloudwatch': {
        const group = value('log_group_name') ?? '';
        const compared = !group.includes('${') && !Token.isUnresolved(task.errorLogGroupName);
        if (compared && group !== task.errorLogGroupName) {
          problems.push({
            wrong: `${at(section)} log_group_name ${group || 'is missing'}, and the task may only write to ${task.errorLogGroupName}`,
            instead: 'Use that name, or pass this group as errorLogGroup',
          });
        }
        break;
      }
    }
    return problems;
  });
}

function checkService(config: ClassicConfig, task: TaskFacts): Problem[] {
  const problems: Problem[] = [];
  const grace = config.service('grace');
  const graceSeconds = grace === undefined ? DEFAULT_GRACE_SECONDS : seconds(grace) ?? DEFAULT_GRACE_SECONDS;
  if (graceSeconds < 0 || graceSeconds + END_SECONDS > task.stopTimeoutSeconds) {
    problems.push({
      wrong: `${task.source}: Grace ${grace} is longer than stopTimeout (${task.stopTimeoutSeconds} s) allows: ECS would kill the router while it delivers`,
      instead: `Set Grace to at most ${task.stopTimeoutSeconds - END_SECONDS}, or raise stopTimeout`,
    });
  }
  const storage = config.service('storage.path');
  if (storage !== undefined && !storage.includes('${') && !`${storage}/`.startsWith(`${task.bufferPath}/`)) {
    problems.push({
      wrong: `${task.source}: storage.path ${storage} is outside of the volume ${task.bufferPath}, and the rest of the container is read-only`,
      instead: `Put it under ${task.bufferPath}, or set bufferPath`,
    });
  }
  if (task.healthChecked) {
    const port = config.service('http_port') ?? HEALTH_PORT;
    if (port !== HEALTH_PORT || isOff(config.service('http_server'))) {
      problems.push({
        wrong: `${task.source}: the health check asks port ${HEALTH_PORT}, where ${port === HEALTH_PORT ? 'HTTP_Server is off' : `HTTP_Port is ${port}`}`,
        instead: `Leave HTTP_Server and HTTP_Port out, or use HealthCheckMode.NONE`,
      });
    }
  }
  return problems;
}
