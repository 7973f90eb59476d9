import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Tells cdk-nag (which the package does not need) that wildcards at the end of these resources are meant. A finding is
 * named after the resolved ARN, and only an exact name covers it.
 */
export function acknowledgeWildcards(scope: IConstruct, arns: string[], reason: string): void {
  for (const arn of arns) {
    Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[Resource::${flatten(Stack.of(scope).resolve(arn))}]`, reason });
  }
}

// As cdk-nag prints CloudFormation's functions: <Name> and <Name.Attribute>.
function flatten(value: unknown): string {
  if (typeof value === 'string') return value;
  const [name, argument] = Object.entries(value as Record<string, unknown>)[0];
  switch (name) {
    case 'Ref': return `<${String(argument)}>`;
    case 'Fn::GetAtt': return `<${(argument as string[]).join('.')}>`;
    case 'Fn::Join': return (argument as [string, unknown[]])[1].map(flatten).join((argument as [string])[0]);
    default: return JSON.stringify(value);
  }
}
