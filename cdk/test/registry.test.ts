import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources, templates, types } from './templates';

test('the registry holds the two repositories and nothing else, and no other stack holds one', () => {
  const { Registry, Monitoring, Network, Compute } = templates();
  assert.deepEqual(types(Registry), ['AWS::ECR::Repository', 'AWS::ECR::Repository']);
  assert.deepEqual(resources(Registry, 'AWS::ECR::Repository').map(each => each.Properties.RepositoryName), ['fluent-bit-custom', 'backend']);
  for (const other of [Monitoring, Network!, Compute]) other.resourceCountIs('AWS::ECR::Repository', 0);
});

test('repositories: immutable tags, scanned, kept, newest five images after the untagged ones', () => {
  for (const repository of resources(templates().Registry, 'AWS::ECR::Repository')) {
    assert.equal(repository.DeletionPolicy, 'Retain');
    assert.equal(repository.Properties.ImageTagMutability, 'IMMUTABLE');
    assert.deepEqual(repository.Properties.ImageScanningConfiguration, { ScanOnPush: true });
    const { rules } = JSON.parse(repository.Properties.LifecyclePolicy.LifecyclePolicyText as string) as
      { rules: { rulePriority: number; selection: { tagStatus: string; countNumber: number }; action: { type: string } }[] };
    assert.deepEqual(rules.map(rule => [rule.rulePriority, rule.selection.tagStatus, rule.selection.countNumber, rule.action.type]),
      [[1, 'untagged', 1, 'expire'], [2, 'any', 5, 'expire']]);
  }
});
