import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { templates } from './templates';

const FILE = path.join(__dirname, 'compute.snapshot.json');

// For the reviewer: what a change does to the deployed service is seen in the difference of this file.
test('the Compute template is compute.snapshot.json (UPDATE_SNAPSHOT=1 writes it)', () => {
  const now = templates().Compute.toJSON();
  if (process.env.UPDATE_SNAPSHOT) fs.writeFileSync(FILE, JSON.stringify(now, null, 2) + '\n');
  assert.deepEqual(now, JSON.parse(fs.readFileSync(FILE, 'utf8')), 'read the difference, then UPDATE_SNAPSHOT=1 npm run unit');
});
