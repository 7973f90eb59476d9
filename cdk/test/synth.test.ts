// `cdk synth` as a stranger runs it, with no credentials and, where the kernel lets us, no network at all.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { CDK, templates } from './templates';

const out = fs.mkdtempSync(path.join(os.tmpdir(), 'cdk-synth-'));
after(() => fs.rmSync(out, { recursive: true }));

/** A namespace without any network interface but its own loopback. */
function withoutNetwork(): string[] {
  for (const prefix of [['unshare', '--net'], ['unshare', '--user', '--map-root-user', '--net']]) {
    if (spawnSync(prefix[0], [...prefix.slice(1), 'true']).status === 0) return prefix;
  }
  return [];
}

test('cdk synth --strict needs neither network nor credentials, and gives the templates of the tests', t => {
  const prefix = withoutNetwork();
  if (prefix.length === 0) t.diagnostic('unshare is not allowed here: the network stays reachable');
  const environment: NodeJS.ProcessEnv = {
    PATH: process.env.PATH, HOME: out, CDK_DISABLE_CLI_TELEMETRY: 'true', CDK_DISABLE_VERSION_CHECK: '1', AWS_EC2_METADATA_DISABLED: 'true',
  };
  const [program, ...rest] = [...prefix, process.execPath, path.join(CDK, 'node_modules/aws-cdk/bin/cdk'), 'synth', '--quiet', '--strict', '--output', out];
  execFileSync(program, rest, { cwd: CDK, env: environment, stdio: 'pipe', timeout: 120_000 });
  for (const [name, template] of Object.entries(templates())) {
    const written = JSON.parse(fs.readFileSync(path.join(out, `${name}.template.json`), 'utf8')) as { Resources: Record<string, { Metadata?: unknown }> };
    // The CLI adds the path of each resource's construct.
    for (const resource of Object.values(written.Resources)) delete resource.Metadata;
    assert.deepEqual(written.Resources, template.toJSON().Resources, name);
  }
  assert.deepEqual(fs.readdirSync(out).filter(file => file.endsWith('.template.json')).sort(),
    ['Compute', 'Monitoring', 'Network', 'Registry'].map(name => `${name}.template.json`));
});
