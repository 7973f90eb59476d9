'use strict';

// @fluent-org/logger's server: node fluent_org_server.js '{"sharedKey":…,"users":{…},"cert":…,"key":…}'
// Prints its port, then one line per record: [tag, seconds, record].
const fs = require('fs');
const { FluentServer } = require('@fluent-org/logger');

const { sharedKey, users, cert, key } = JSON.parse(process.argv[2]);

class PrintingServer extends FluentServer {
  onEntry(tag, time, record) {
    const seconds = typeof time === 'number' ? time : time.epoch;
    console.log(JSON.stringify([tag, seconds, record]));
  }
}

const server = new PrintingServer({
  listenOptions: { host: '127.0.0.1', port: 0 },
  tlsOptions: cert ? { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } : undefined,
  security: sharedKey === undefined ? undefined
    : { serverHostname: 'npm-server', sharedKey, authorize: Boolean(users), userDict: users || {} },
});
server.listen().then(() => console.log(server.port));
