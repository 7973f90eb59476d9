// CDK's own rules (those of cfn-lint, in the library) and cdk-nag. A finding makes synth() throw; so each tool is shown
// to fire on a template that deserves it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type aws_ecs as ecs, aws_logs as logs, aws_s3 as s3 } from 'aws-cdk-lib';
import { type Context, app } from './templates';

function findings(context: Context, spoil?: (made: ReturnType<typeof app>) => void): string {
  const made = app(context);
  spoil?.(made);
  const printed: string[] = [];
  const { error } = console;
  console.error = (...words: unknown[]) => { printed.push(words.join(' ')); };
  try {
    made.synth();
    return '';
  } catch (thrown) {
    return [...printed, String(thrown)].join('\n');
  } finally {
    console.error = error;
    process.exitCode = undefined;
  }
}

const GOOD: [what: string, context: Context][] = [
  ['with HTTPS, somebody to tell, and a known account', {
    account: '123456789012', certificateArn: 'arn:aws:acm:ap-northeast-1:123456789012:certificate/0123', alarmEmail: 'team@example.com',
  }],
  ['with everything that can be imported', {
    existingLogBucket: 'old-logs', existingLogGroups: '/ecs/backend,/ecs/backend/errors,/ecs/firelens',
    vpcId: 'vpc-0123456789abcdef0', vpcCidr: '10.1.0.0/16', availabilityZones: 'ap-northeast-1a,ap-northeast-1c',
    subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1', routeTableIds: 'rtb-0123456789abcdef0,rtb-0123456789abcdef1', createEndpoints: 'true',
    securityGroupId: 'sg-0123456789abcdef0',
    targetGroupArn: 'arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:targetgroup/backend/0123456789abcdef',
  }],
];

for (const [what, context] of GOOD) {
  test(`no rule has anything against the app ${what}`, () => assert.equal(findings(context), ''));
}

test('cdk-nag fires: a bucket without TLS and access log', () => {
  const text = findings({}, made => new s3.Bucket(made.monitoring, 'Careless'));
  assert.match(text, /AwsSolutions-S1\b/);
  assert.match(text, /AwsSolutions-S10\b/);
});

test('CDK\'s own rules fire: CPU and memory that Fargate does not know, a retention that CloudWatch does not know', () => {
  const text = findings({}, made => {
    (made.compute.node.findChild('Task').node.defaultChild as ecs.CfnTaskDefinition).memory = '100000';
    new logs.CfnLogGroup(made.monitoring, 'Odd', { retentionInDays: 91 });
  });
  assert.match(text, /100000/);
  assert.match(text, /91/);
});
