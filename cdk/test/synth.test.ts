// The README's `npm run synth …` as a stranger runs them: with no credentials and, where the kernel lets us, no network.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { CDK, templates } from './templates';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cdk-synth-'));
after(() => fs.rmSync(directory, { recursive: true }));

/** A namespace without any network interface but its own loopback. */
function withoutNetwork(): string[] {
  for (const prefix of [['unshare', '--net'], ['unshare', '--user', '--map-root-user', '--net']]) {
    if (spawnSync(prefix[0], [...prefix.slice(1), 'true']).status === 0) return prefix;
  }
  return [];
}

/** Arguments of every `npm run synth` of the README. */
function commands(): string[][] {
  const readme = fs.readFileSync(path.join(CDK, 'README.md'), 'utf8').replace(/\\\n/g, ' ');
  return [...readme.matchAll(/^npm run synth(?: --(.*))?$/gm)].map(match => (match[1] ?? '').split(/\s+/).filter(word => word !== ''));
}

async function synth(prefix: string[], given: string[], out: string): Promise<Record<string, { Resources: Record<string, { Metadata?: unknown }> }>> {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(CDK, 'package.json'), 'utf8')) as { scripts: { synth: string } };
  const [tool, ...own] = scripts.synth.split(' ');
  const [program, ...words] = [...prefix, process.execPath, path.join(CDK, 'node_modules/.bin', tool), ...own, ...given, '--output', out];
  const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: directory, AWS_EC2_METADATA_DISABLED: 'true' };
  await promisify(execFile)(program, words, { cwd: CDK, env: environment, timeout: 180_000 });
  return Object.fromEntries(fs.readdirSync(out).filter(file => file.endsWith('.template.json')).map(file => {
    const template = JSON.parse(fs.readFileSync(path.join(out, file), 'utf8')) as { Resources: Record<string, { Metadata?: unknown }> };
    // The CLI adds the path of each resource's construct.
    for (const resource of Object.values(template.Resources)) delete resource.Metadata;
    return [file.replace('.template.json', ''), template];
  }));
}

test('cdk list of the README names the stacks, in the order in which they are deployed', async () => {
  const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: directory, AWS_EC2_METADATA_DISABLED: 'true' };
  const [program, ...words] = [...withoutNetwork(), process.execPath, path.join(CDK, 'node_modules/.bin/cdk'), 'list', '--output', path.join(directory, 'list')];
  const { stdout } = await promisify(execFile)(program, words, { cwd: CDK, env: environment, timeout: 180_000 });
  assert.deepEqual(stdout.trim().split('\n'), ['Registry', 'Monitoring', 'Network', 'Compute']);
});

test('every synth of the README succeeds strictly, and gives the templates of these tests', async t => {
  const prefix = withoutNetwork();
  if (prefix.length === 0) t.diagnostic('unshare is not allowed here: the network stays reachable');
  const all = commands();
  assert.equal(all.length, 3);
  const made = await Promise.all(all.map((given, index) => synth(prefix, given, path.join(directory, String(index)))));
  all.forEach((given, index) => {
    const settings = given.filter(word => word !== '-c').map(word => word.split('=', 2) as [string, string]);
    const expected = Object.entries(templates(Object.fromEntries(settings))).filter(([, template]) => template !== undefined);
    assert.deepEqual(Object.keys(made[index]).sort(), expected.map(([name]) => name).sort());
    for (const [name, template] of expected) assert.deepEqual(made[index][name].Resources, template!.toJSON().Resources, name);
  });
});
