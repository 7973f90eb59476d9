'use strict';

// s3rver on a port of its own: node serve.js DIRECTORY PORT (0: any) BUCKET. Prints the port, then each request.
const S3rver = require('s3rver');

const [directory, port, bucket] = process.argv.slice(2);
const server = new S3rver({
  address: '127.0.0.1', port: Number(port), directory, silent: true, vhostBuckets: false,
  configureBuckets: [{ name: bucket }],
});
server.run().then((address) => {
  console.log(address.port);
  server.httpServer.on('request', (request, response) => response.on('finish', () => {
    console.log(`${request.method} ${request.url} ${response.statusCode}`);
  }));
});
