import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { KEYS } from '../lib/settings';
import { CDK } from './templates';

const readme = fs.readFileSync(path.join(CDK, 'README.md'), 'utf8');

test('the README has every setting, and no other', () => {
  const [, section] = readme.split('## Settings');
  const rows = section.split('\n').filter(line => line.startsWith('| `')).map(line => line.split('|')[1]);
  const named = rows.flatMap(cell => [...cell.matchAll(/`(\w+)`/g)].map(match => match[1]));
  const inText = ['vpcCidr', 'routeTableIds'];
  for (const name of inText) assert.ok(section.includes(`\`${name}\``), name);
  assert.deepEqual([...named, ...inText].sort(), [...KEYS].sort());
});

test('the scripts and files that the README names are there', () => {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(CDK, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  for (const [, name] of readme.matchAll(/npm run (\w+)/g)) assert.ok(scripts[name], name);
  for (const [, file] of readme.matchAll(/^ {4}(\S+) /gm)) assert.ok(fs.existsSync(path.join(CDK, file)), file);
});
