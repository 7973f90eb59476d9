// The operator's pages (docs/) against the templates: every permission, endpoint, rule, alarm and widget, and no other.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { REPOSITORY, flat, grants, listOf, only, resources, sorted, templates } from './templates';

const page = (name: string) => fs.readFileSync(path.join(REPOSITORY, 'docs', `${name}.md`), 'utf8');

/** The tables of a page whose header begins so; of each row the cells, without marks of code. */
function table(name: string, header: string): string[][] {
  const rows: string[][] = [];
  let inside = false;
  for (const line of page(name).split('\n')) {
    if (!line.startsWith('|')) inside = false;
    else if (line.startsWith(`| ${header} |`)) inside = true;
    else if (inside && !line.startsWith('|---')) rows.push(line.split('|').slice(1, -1).map(cell => cell.trim().replace(/`/g, '')));
  }
  assert.ok(rows.length > 0, `${name}.md has a table "| ${header} |"`);
  return rows;
}

/** As the pages write it: no account, no hashes of logical ids. */
function readable(value: string): string {
  return value.replace(/<AWS::AccountId>/g, 'ACCOUNT').replace(/<(\w+?)[0-9A-F]{8}(\.\w+)?>/g, '$1');
}

/** role action resource, one a line. */
function granted(template: Template, role: string, pattern: RegExp): string[] {
  return grants(template, pattern).flatMap(grant => grant.actions.flatMap(action =>
    grant.resources.map(resource => `${role} ${action} ${readable(resource)}`)));
}

const products = (rows: string[][]) => rows.flatMap(([who, actions, on]) =>
  actions.split(', ').flatMap(action => on.split(', ').map(resource => `${who} ${action} ${resource}`)));

test('permissions.md: the roles of the task allow exactly what it says, in both modes', () => {
  const { Compute } = templates();
  assert.deepEqual(sorted(products(table('permissions', 'role | action | on | why'))),
    sorted([...granted(Compute, 'task', /TaskRole/), ...granted(Compute, 'execution', /ExecutionRole/)]));
  const rolledBack = templates({ logRouting: 'awslogs' }).Compute;
  assert.deepEqual(sorted(products(table('permissions', 'role, rolled back | action | on | why'))),
    sorted(granted(rolledBack, 'execution', /ExecutionRole/)));
  assert.deepEqual(granted(rolledBack, 'task', /TaskRole/), granted(Compute, 'task', /TaskRole/));
});

interface Statement {
  readonly Effect: string;
  readonly Principal: Record<string, string> | string;
  readonly Action: unknown;
  readonly Resource: unknown;
}

test('permissions.md: services and other accounts may do exactly what it says; there is no other role', () => {
  const made = Object.values(templates()).flatMap(template => [
    ...['AWS::S3::BucketPolicy', 'AWS::SNS::TopicPolicy'].flatMap(type => resources(template as Template, type))
      .flatMap(policy => policy.Properties.PolicyDocument.Statement as Statement[])
      .filter(statement => statement.Effect === 'Allow')
      .flatMap(statement => Object.values(statement.Principal).flatMap(who => listOf(statement.Action).flatMap(action =>
        listOf(statement.Resource).map(resource => `${who} ${action} ${readable(resource)}`)))),
    ...granted(template as Template, 'vpc-flow-logs.amazonaws.com', /Flow/),
  ]);
  assert.deepEqual(sorted(products(table('permissions', 'service | action | on | why'))), sorted(made));
  const roles = Object.values(templates()).flatMap(template => resources(template as Template, 'AWS::IAM::Role'));
  assert.deepEqual(sorted(roles.map(role => role.Properties.AssumeRolePolicyDocument.Statement[0].Principal.Service as string)),
    ['ecs-tasks.amazonaws.com', 'ecs-tasks.amazonaws.com', 'vpc-flow-logs.amazonaws.com']);
});

test('permissions.md: exactly these endpoints', () => {
  const made = resources(templates().Network!, 'AWS::EC2::VPCEndpoint').map(each => each.Properties)
    .map(each => `${flat(each.ServiceName).replace(/^com\.amazonaws\.[^.]+\./, '')} ${each.VpcEndpointType as string}`);
  assert.deepEqual(sorted(table('permissions', 'endpoint | type | why').map(([name, type]) => `${name} ${type}`)), sorted(made));
});

interface Rule {
  readonly IpProtocol: string;
  readonly CidrIp?: string;
  readonly FromPort?: number;
  readonly ToPort?: number;
  readonly GroupId: unknown;
  readonly SourceSecurityGroupId?: unknown;
  readonly DestinationSecurityGroupId?: unknown;
}

test('permissions.md: exactly these rules of security groups', () => {
  const network = templates().Network!;
  const groups = network.findResources('AWS::EC2::SecurityGroup') as Record<string, { Properties: Record<string, unknown> }>;
  const nameOf = (reference: unknown) => groups[flat(reference).replace(/[<>]|\.GroupId/g, '')].Properties.GroupDescription as string;
  const port = (rule: Rule) => rule.IpProtocol === '-1' ? 'all' : String(rule.FromPort);
  const made = Object.values(groups).flatMap(({ Properties: group }) => [
    ...((group.SecurityGroupIngress ?? []) as Rule[]).map(rule => [group.GroupDescription, 'in', port(rule), rule.CidrIp]),
    // CDK's rule that lets nothing out.
    ...((group.SecurityGroupEgress ?? []) as Rule[]).filter(rule => rule.CidrIp !== '255.255.255.255/32')
      .map(rule => [group.GroupDescription, 'out', port(rule), rule.CidrIp]),
  ]);
  for (const [type, direction] of [['AWS::EC2::SecurityGroupIngress', 'in'], ['AWS::EC2::SecurityGroupEgress', 'out']]) {
    for (const { Properties: rule } of resources(network, type) as { Properties: Rule }[]) {
      made.push([nameOf(rule.GroupId), direction, port(rule), nameOf(rule.SourceSecurityGroupId ?? rule.DestinationSecurityGroupId)]);
    }
  }
  assert.deepEqual(sorted(table('permissions', 'group | direction | port | other side | why').map(row => row.slice(0, 4).join(' | '))),
    sorted(made.map(row => row.join(' | '))));
});

test('operate.md: every alarm has a row and a first step; every widget of the dashboard has a row', () => {
  const { Monitoring } = templates();
  const alarms = resources(Monitoring, 'AWS::CloudWatch::Alarm').map(each => each.Properties.AlarmName as string);
  assert.deepEqual(sorted(table('operate', 'alarm | goes off when | means').map(([name]) => name)), sorted(alarms));
  assert.deepEqual(sorted([...page('operate').matchAll(/^### First step: `(.*)`$/gm)].map(match => match[1])), sorted(alarms));
  const { widgets } = JSON.parse(flat(only(Monitoring, 'AWS::CloudWatch::Dashboard').Properties.DashboardBody)) as { widgets: { properties: { title: string } }[] };
  assert.deepEqual(table('operate', 'widget | a good day | look closer when').map(([title]) => title), widgets.map(each => each.properties.title));
});

test('the pages name queries, groups and alarms that are there', () => {
  const { Monitoring } = templates();
  const saved = resources(Monitoring, 'AWS::Logs::QueryDefinition').map(each => each.Properties.Name as string);
  const alarms = resources(Monitoring, 'AWS::CloudWatch::Alarm').map(each => each.Properties.AlarmName as string);
  const pages = fs.readdirSync(path.join(REPOSITORY, 'docs')).filter(name => /^(deploy|operate|query|roll-back|troubleshoot)(\.ja)?\.md$/.test(name));
  for (const name of pages) {
    const text = fs.readFileSync(path.join(REPOSITORY, 'docs', name), 'utf8');
    for (const [, query] of text.matchAll(/`(log-routing\/[\w-]+)`/g)) assert.ok(saved.includes(query), `${name}: ${query}`);
    for (const [, alarm] of text.matchAll(/\b(log-routing-(?!alarms)[\w-]+)/g)) assert.ok(alarms.includes(alarm), `${name}: ${alarm}`);
  }
  assert.ok(pages.length >= 6);
});

test('query.md: the saved queries of Logs Insights, to the letter, and those of Athena by name', () => {
  const { Monitoring } = templates();
  const shown = [...page('query').matchAll(/^```insights\n# (\S+)\n(.*?)\n```$/gms)].map(([, name, text]) => [name, text]);
  const saved = resources(Monitoring, 'AWS::Logs::QueryDefinition').map(each => [each.Properties.Name, each.Properties.QueryString]);
  assert.deepEqual(shown, saved);
  const athena = resources(Monitoring, 'AWS::Athena::NamedQuery').map(each => each.Properties.Name as string);
  assert.deepEqual(sorted(table('query', 'query | answers').map(([name]) => name)), sorted(athena));
});
