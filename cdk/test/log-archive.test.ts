import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Duration, Stack, aws_s3 as s3 } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { LogArchive, type LogArchiveProps } from '@noroshi/firelens-router';
import { only, withoutRules } from './templates';

function template(props?: LogArchiveProps, existing?: string): Template {
  return withoutRules(() => {
    const stack = new Stack(new App(), 'Team');
    new LogArchive(stack, 'Archive', existing === undefined ? props : { ...props, existingBucket: s3.Bucket.fromBucketName(stack, 'Existing', existing) });
    return Template.fromStack(stack);
  });
}

test('another prefix, another age, a storage class that Athena reads, an end', () => {
  const made = template({
    keyPrefix: 'team/', archiveAfter: Duration.days(30), archiveStorageClass: s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, expireAfter: Duration.days(365),
    columns: { order_id: 'bigint' }, firstYear: 2030,
  });
  const [archive] = only(made, 'AWS::S3::Bucket').Properties.LifecycleConfiguration.Rules;
  assert.deepEqual(archive, {
    Id: 'archive', Prefix: 'team/', Status: 'Enabled', ExpirationInDays: 365, Transitions: [{ StorageClass: 'GLACIER_IR', TransitionInDays: 30 }],
  });
  const table = only(made, 'AWS::Glue::Table').Properties.TableInput;
  assert.match(JSON.stringify(table.StorageDescriptor.Location), /\/team\/"/);
  assert.deepEqual(table.StorageDescriptor.Columns.at(-1), { Name: 'order_id', Type: 'bigint' });
  assert.equal(table.Parameters['projection.year.range'], '2030,2040');
});

test('an existing bucket: table and work group, no bucket and no rule', () => {
  const made = template({}, 'old');
  made.resourceCountIs('AWS::S3::Bucket', 0);
  made.resourceCountIs('AWS::S3::BucketPolicy', 0);
  assert.equal(only(made, 'AWS::Athena::WorkGroup').Properties.WorkGroupConfiguration.ResultConfiguration.OutputLocation, 's3://old/athena-results/');
});

test('refused: names that Athena or S3 would misread, rules for a bucket that is not ours', () => {
  assert.throws(() => template({ keyPrefix: '/logs' }), /keyPrefix is "\/logs"\. Write it without a leading and with a trailing slash: logs\//);
  assert.throws(() => template({ databaseName: 'My-Logs' }), /databaseName is "My-Logs"/);
  assert.throws(() => template({ expireAfter: Duration.days(1) }, 'old'), /existingBucket stands beside options of a new bucket/);
});
