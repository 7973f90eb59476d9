import type { Construct } from 'constructs';
import type { LogRouting } from '@noroshi/firelens-router';
import { FirelensRouter } from '@noroshi/firelens-router';

/** Names that the router's configuration, the task, the permissions and the alarms share. */
export const NAMES = {
  cluster: 'backend',
  service: 'backend',
  container: 'backend',
  containerPort: 8000,
  errorLogGroup: '/ecs/backend/errors',
  backendLogGroup: '/ecs/backend',
  routerLogGroup: '/ecs/firelens',
  routerRepository: 'fluent-bit-custom',
  backendRepository: 'backend',
  keyPrefix: 'logs/',
} as const;

export const LOG_GROUPS: readonly string[] = [NAMES.errorLogGroup, NAMES.backendLogGroup, NAMES.routerLogGroup];

/** A network that exists and stays untouched. */
export interface ImportedNetwork {
  readonly vpcId: string;
  readonly vpcCidr: string;
  readonly availabilityZones: string[];
  readonly subnetIds: string[];
  readonly routeTableIds: string[];
  readonly securityGroupId: string;
  readonly targetGroupArn: string;
  /** Whether the endpoints are made in it; no if it has them, or a NAT gateway. */
  readonly createEndpoints: boolean;
}

/** Everything `-c NAME=VALUE` can say. */
export interface Settings {
  readonly region: string;
  readonly account?: string;
  readonly routing: LogRouting;
  readonly routerTag: string;
  readonly backendTag: string;
  readonly desiredCount: number;
  readonly certificateArn?: string;
  readonly alarmEmail?: string;
  /** Groups of LOG_GROUPS that exist and are only referred to. */
  readonly existingLogGroups: string[];
  readonly existingLogBucket?: string;
  readonly network?: ImportedNetwork;
}

export const KEYS = [
  'region', 'account', 'logRouting', 'routerTag', 'backendTag', 'desiredCount', 'certificateArn', 'alarmEmail',
  'existingLogGroups', 'existingLogBucket',
  'vpcId', 'vpcCidr', 'availabilityZones', 'subnetIds', 'routeTableIds', 'securityGroupId', 'targetGroupArn', 'createEndpoints',
];

/** Reads the context of the app; throws what to write instead if something is wrong with it. */
export function readSettings(app: Construct): Settings {
  refuseUnknownKeys(app);
  const text = (key: string): string | undefined => {
    const value: unknown = app.node.tryGetContext(key);
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'object') throw new Error(`the context ${key} is ${JSON.stringify(value)}: write one text, -c ${key}=…`);
    return `${value as string | number | boolean}`;
  };
  const list = (key: string): string[] => (text(key) ?? '').split(',').map(item => item.trim()).filter(item => item !== '');
  const matching = (key: string, pattern: RegExp, example: string): string | undefined => {
    const value = text(key);
    if (value !== undefined && !pattern.test(value)) throw new Error(`the context ${key} is "${value}": write it as ${example}`);
    return value;
  };

  const existingLogGroups = list('existingLogGroups');
  for (const name of existingLogGroups) {
    if (!LOG_GROUPS.includes(name)) {
      throw new Error(`the context existingLogGroups names "${name}": it may name ${LOG_GROUPS.join(', ')}, parted by commas`);
    }
  }
  // Not from CDK_DEFAULT_REGION: the CLI fills that with a guess of its own.
  return {
    region: matching('region', /^[a-z]{2}(-[a-z]+)+-\d$/, 'ap-northeast-1') ?? 'ap-northeast-1',
    account: matching('account', /^\d{12}$/, '123456789012'),
    routing: FirelensRouter.routingFromContext(app),
    routerTag: matching('routerTag', /^[\w][\w.-]{0,127}$/, '0.1.0, the tag that was pushed') ?? '0.1.0',
    backendTag: matching('backendTag', /^[\w][\w.-]{0,127}$/, '1, the tag that was pushed') ?? '1',
    desiredCount: Number(matching('desiredCount', /^\d{1,3}$/, '2') ?? '2'),
    certificateArn: matching('certificateArn', /^arn:[\w-]+:acm:/, 'arn:aws:acm:REGION:ACCOUNT:certificate/ID'),
    alarmEmail: matching('alarmEmail', /^[^@\s]+@[^@\s]+$/, 'team@example.com'),
    existingLogGroups,
    existingLogBucket: matching('existingLogBucket', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket'),
    network: readNetwork(text, list),
  };
}

function readNetwork(text: (key: string) => string | undefined, list: (key: string) => string[]): ImportedNetwork | undefined {
  const vpcId = text('vpcId');
  const dependent = ['vpcCidr', 'availabilityZones', 'subnetIds', 'routeTableIds', 'securityGroupId', 'targetGroupArn', 'createEndpoints'];
  if (vpcId === undefined) {
    const lonely = dependent.filter(key => text(key) !== undefined);
    if (lonely.length > 0) throw new Error(`the context ${lonely.join(', ')} describes an existing network: add -c vpcId=vpc-…`);
    return undefined;
  }
  const createEndpoints = text('createEndpoints') ?? 'false';
  if (createEndpoints !== 'true' && createEndpoints !== 'false') throw new Error(`the context createEndpoints is "${createEndpoints}": write true or false`);
  const needed = ['availabilityZones', 'subnetIds', 'securityGroupId', 'targetGroupArn',
    ...createEndpoints === 'true' ? ['vpcCidr', 'routeTableIds'] : []];
  const missing = needed.filter(key => text(key) === undefined);
  if (missing.length > 0) {
    throw new Error(`an existing network (vpcId) needs ${missing.map(key => `-c ${key}=…`).join(' ')} too; lists are parted by commas`);
  }
  const network = {
    vpcId,
    vpcCidr: text('vpcCidr') ?? '',
    availabilityZones: list('availabilityZones'),
    subnetIds: list('subnetIds'),
    routeTableIds: list('routeTableIds'),
    securityGroupId: text('securityGroupId')!,
    targetGroupArn: text('targetGroupArn')!,
    createEndpoints: createEndpoints === 'true',
  };
  if (network.subnetIds.length !== network.availabilityZones.length) {
    throw new Error(`${network.subnetIds.length} subnetIds stand beside ${network.availabilityZones.length} availabilityZones: name the zone of each subnet, in the same order`);
  }
  if (network.createEndpoints && network.routeTableIds.length !== network.subnetIds.length) {
    throw new Error(`${network.routeTableIds.length} routeTableIds stand beside ${network.subnetIds.length} subnetIds: name the route table of each subnet, in the same order`);
  }
  return network;
}

// A misspelt -c would silently be without effect.
function refuseUnknownKeys(app: Construct): void {
  const context = app.node.getAllContext() as Record<string, unknown>;
  const foreign = /^(@?aws-?cdk|aws:|@aws|availability-zones:|vpc-provider:|cdk-|cli-)/;
  const unknown = Object.keys(context).filter(key => !KEYS.includes(key) && !foreign.test(key));
  if (unknown.length > 0) throw new Error(`unknown context ${unknown.join(', ')}: known are ${KEYS.join(', ')}`);
}
