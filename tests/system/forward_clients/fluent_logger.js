'use strict';

// npm fluent-logger: node fluent_logger.js '{"port":…,"tag":…,"first":…,"count":…,"eventMode":…,"ack":true}'
// With "sharedKey" (and "username", "password") it does the handshake; with "ca", the file of an authority, TLS.
// Prints how many emits were confirmed (with ack: by the router) and how many failed.
const { createFluentSender, EventTime } = require('fluent-logger');
const { record } = require('./record');

const fs = require('fs');
const { port, tag, first, count, eventMode, ack, sharedKey, username, password, ca } = JSON.parse(process.argv[2]);
const quiet = { error() {}, info() {} };  // its errors are in what this prints
const sender = createFluentSender(tag, {
  host: '127.0.0.1', port, eventMode, requireAckResponse: ack, ackResponseTimeout: 60000, reconnectInterval: 100,
  timeout: 3.0, internalLogger: quiet, flushInterval: 20,
  security: sharedKey === undefined ? undefined : { clientHostname: 'npm-client', sharedKey, username, password },
  tls: Boolean(ca), tlsOptions: ca ? { ca: fs.readFileSync(ca), servername: 'localhost' } : undefined,
});
const outcome = { confirmed: 0, failed: 0, errors: [] };
sender.on('error', (error) => outcome.errors.push(error.message));

function emitOne(number) {
  return new Promise((resolve) => {
    sender.emit(record(number), EventTime.now(), (error) => {
      if (error) outcome.failed += 1;
      else outcome.confirmed += 1;
      resolve();
    });
  });
}

(async () => {
  const batch = 500;  // in flight, so that a message in the Forward modes carries several
  for (let number = first; number < first + count; number += batch) {
    const until = Math.min(number + batch, first + count);
    await Promise.all(Array.from({ length: until - number }, (_, i) => emitOne(number + i)));
  }
  await new Promise((resolve) => sender.end(null, null, resolve));
  console.log(JSON.stringify(outcome));
})();
