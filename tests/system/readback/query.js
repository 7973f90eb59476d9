'use strict';

// Runs SQL in DuckDB as Athena would: node query.js < {"name": "SELECT …", …}  prints {"name": [rows], …}.
// Integers beyond 2^53 come as text, times as text.
const { DuckDBInstance } = require('@duckdb/node-api');

(async () => {
  const queries = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2', autoinstall_known_extensions: 'false', autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'").catch(() => {});  // only with the icu extension; UTC without it
  const answers = {};
  for (const [name, sql] of Object.entries(queries)) {
    const result = await connection.runAndReadAll(sql);
    answers[name] = result.getRowObjectsJson();
  }
  console.log(JSON.stringify(answers));
})().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
