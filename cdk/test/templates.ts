import * as fs from 'node:fs';
import * as path from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { LogRoutingApp } from '../lib/log-routing-app';

export const CDK = path.join(__dirname, '..');
export const REPOSITORY = path.join(CDK, '..');

/** What the CLI passes to the app: cdk.json. */
export const FLAGS = (JSON.parse(fs.readFileSync(path.join(CDK, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> }).context;

export type Context = Record<string, string>;

/** The app as `cdk synth -c …` makes it. */
export function app(context: Context = {}): LogRoutingApp {
  return new LogRoutingApp({ context: { ...FLAGS, ...context }, analyticsReporting: false });
}

/** Without CDK's rules and cdk-nag, which take most of the time of a synth: validation.test.ts runs them. */
export function withoutRules<T>(make: () => T): T {
  process.env.CDK_VALIDATION = 'false';
  try {
    return make();
  } finally {
    delete process.env.CDK_VALIDATION;
  }
}

export interface Templates {
  readonly Registry: Template;
  readonly Monitoring: Template;
  readonly Compute: Template;
  /** Undefined: nothing is made in an existing network. */
  readonly Network?: Template;
}

const made = new Map<string, Templates>();

/** All templates for a context. */
export function templates(context: Context = {}): Templates {
  const key = JSON.stringify(context);
  if (!made.has(key)) {
    made.set(key, withoutRules(() => {
      const { registry, monitoring, network, compute } = app(context);
      return {
        Registry: Template.fromStack(registry),
        Monitoring: Template.fromStack(monitoring),
        Network: network && Template.fromStack(network),
        Compute: Template.fromStack(compute),
      };
    }));
  }
  return made.get(key)!;
}

export interface Resource {
  readonly Type: string;
  // Its shape differs by type: each test names what it expects.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly Properties: any;
  readonly DeletionPolicy?: string;
}

export function resources(template: Template, type: string): Resource[] {
  return Object.values(template.findResources(type)) as Resource[];
}

export function only(template: Template, type: string): Resource {
  const found = resources(template, type);
  if (found.length !== 1) throw new Error(`${found.length} resources of type ${type}, not one`);
  return found[0];
}

/** Types of all resources, sorted. */
export function types(template: Template): string[] {
  return sorted(Object.values(template.toJSON().Resources as Record<string, Resource>).map(resource => resource.Type));
}

/** Intrinsic functions as text: Ref → <Name>, GetAtt → <Name.Attribute>, ImportValue → <import Name>. */
export function flat(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [name, argument] = Object.entries(value)[0] as [string, unknown];
  switch (name) {
    case 'Ref': return `<${argument as string}>`;
    case 'Fn::GetAtt': return `<${(argument as string[]).join('.')}>`;
    case 'Fn::ImportValue': return `<import ${flat(argument)}>`;
    case 'Fn::Join': return (argument as [string, unknown[]])[1].map(flat).join((argument as [string])[0]);
    default: throw new Error(`unexpected intrinsic function ${name}`);
  }
}

export function sorted(values: Iterable<string>): string[] {
  return [...values].sort();
}

export function listOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).map(flat);
}

export interface Grant {
  readonly actions: string[];
  readonly resources: string[];
}

interface Statement {
  readonly Effect: string;
  readonly Action: unknown;
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** All statements of the policies of the role whose logical id matches, by first action. */
export function grants(template: Template, role: RegExp): Grant[] {
  return resources(template, 'AWS::IAM::Policy')
    .filter(policy => listOf(policy.Properties.Roles).some(name => role.test(name)))
    .flatMap(policy => policy.Properties.PolicyDocument.Statement as Statement[])
    .map(statement => {
      if (statement.Effect !== 'Allow' || statement.Condition !== undefined) throw new Error(`unexpected statement ${JSON.stringify(statement)}`);
      return { actions: sorted(listOf(statement.Action)), resources: sorted(listOf(statement.Resource)) };
    })
    .sort((left, right) => left.actions[0].localeCompare(right.actions[0]));
}

/** A container of the task by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function container(template: Template, name: string): any {
  const definitions = only(template, 'AWS::ECS::TaskDefinition').Properties.ContainerDefinitions as { Name: string }[];
  const found = definitions.find(definition => definition.Name === name);
  if (!found) throw new Error(`no container ${name} among ${definitions.map(definition => definition.Name).join(', ')}`);
  return found;
}
