'use strict';

// npm @fluent-org/logger: node fluent_org_logger.js '{"port":…,"tag":…,"first":…,"count":…,"eventMode":…,"ack":true}'
// With "sharedKey" (and "username", "password") it does the handshake; with "ca", the file of an authority, TLS.
// Prints how many emits were confirmed (with ack: by the router) and how many failed.
const { FluentClient, FluentSocketEvent, EventTime } = require('@fluent-org/logger');
const { record } = require('./record');

const fs = require('fs');
const {
  port, tag, first, count, eventMode, ack, path, ackTimeout = 60000, sharedKey, username, password, ca,
} = JSON.parse(process.argv[2]);
const outcome = { confirmed: 0, failed: 0, errors: [] };
const client = new FluentClient(tag, {
  eventMode, milliseconds: true,
  ack: ack ? { ackTimeout } : undefined,
  socket: path ? { path } : {
    host: '127.0.0.1', port, reconnect: { delay: 50, maxDelay: 200 },
    tls: ca ? { ca: fs.readFileSync(ca), servername: 'localhost' } : undefined,
  },
  security: sharedKey === undefined ? undefined : { clientHostname: 'npm-client', sharedKey, username, password },
  eventRetry: ack ? { attempts: 20, minDelay: 50, maxDelay: 500 } : undefined,
  disconnect: { waitForPending: true, socketDisconnectDelay: 100 },
});
client.socketOn(FluentSocketEvent.ERROR, (error) => outcome.errors.push(error.message));

(async () => {
  const batch = 500;  // in one turn of the event loop, so that a message carries several
  for (let number = first; number < first + count; number += batch) {
    const emits = [];
    for (let n = number; n < Math.min(number + batch, first + count); n += 1) {
      emits.push(client.emit(record(n), EventTime.now()).then(
        () => { outcome.confirmed += 1; },
        (error) => { outcome.failed += 1; outcome.errors.push(error.message); }));
    }
    await Promise.all(emits);
  }
  await client.disconnect();
  console.log(JSON.stringify(outcome));
})();
