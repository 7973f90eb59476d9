// noroshi-localaws, proved by AWS's own SDK for JavaScript: its default checksums (CRC32 in headers and
// trailers), streamed bodies in aws-chunked form, virtual-hosted buckets, answers parsed by its models.
// Prints "N passed, N failed"; exits 1 if anything failed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

import {
  CloudWatchLogsClient, CreateLogGroupCommand, CreateLogStreamCommand, DescribeLogGroupsCommand, FilterLogEventsCommand,
  GetLogEventsCommand, PutLogEventsCommand, PutRetentionPolicyCommand, paginateFilterLogEvents,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateBucketCommand, CreateMultipartUploadCommand,
  DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListBucketsCommand, ListPartsCommand, PutObjectCommand,
  S3Client, UploadPartCommand, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const binDir = process.env.NOROSHI_BIN_DIR;
assert(binDir, "NOROSHI_BIN_DIR says where noroshi-localaws is");
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "localaws-node-"));
const server = spawn(path.join(binDir, "noroshi-localaws"), [
  "--data", path.join(directory, "data"), "--port", "0", "--access-key", "AKIANODE", "--secret-key", "node/secret",
  "--region", "ap-northeast-1"], { stdio: ["ignore", "pipe", "inherit"] });
const port = await new Promise((resolve, reject) => {
  server.on("exit", (code) => reject(new Error(`noroshi-localaws ended with ${code}`)));
  server.stdout.on("data", (text) => resolve(Number(/:(\d+)\s*$/.exec(text.toString())[1])));
});

const base = {
  region: "ap-northeast-1",
  maxAttempts: 1,
  credentials: { accessKeyId: "AKIANODE", secretAccessKey: "node/secret" },
};
const endpoint = `http://127.0.0.1:${port}`;
const s3 = new S3Client({ ...base, endpoint });
const logs = new CloudWatchLogsClient({ ...base, endpoint });
const Bucket = "node-bucket";
const refused = (promise, name) => assert.rejects(promise, (error) => {
  assert.equal(error.name, name, `${error.name}: ${error.message}`);
  return true;
});
const bodyOf = async (answer) => Buffer.from(await answer.Body.transformToByteArray());

const tests = {
  async "PutObject with the SDK's own checksum, GetObject verifies it"() {
    await s3.send(new CreateBucketCommand({ Bucket }));
    const Body = randomBytes(200_000);
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: "a b/日本+.gz", Body, Metadata: { k: "v" } }));
    assert.equal(put.ETag, `"${createHash("md5").update(Body).digest("hex")}"`);
    assert.match(put.ChecksumCRC32, /^[A-Za-z0-9+/]{6}==$/);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "a b/日本+.gz" }));
    assert.equal(got.ChecksumCRC32, put.ChecksumCRC32);
    assert.deepEqual(await bodyOf(got), Body);
    assert.deepEqual(got.Metadata, { k: "v" });
    const part = await s3.send(new GetObjectCommand({ Bucket, Key: "a b/日本+.gz", Range: "bytes=10-19" }));
    assert.deepEqual(await bodyOf(part), Body.subarray(10, 20));
  },
  async "every checksum algorithm the SDK has"() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      let put;
      try {
        put = await s3.send(new PutObjectCommand({ Bucket, Key: ChecksumAlgorithm, Body: "123456789", ChecksumAlgorithm }));
      } catch (error) {
        if (!/CRC64NVME|crt/i.test(error.message)) throw error;
        // The SDK needs a native package to compute this one; the value is the CRC catalogue's.
        put = await s3.send(new PutObjectCommand({ Bucket, Key: ChecksumAlgorithm, Body: "123456789",
          ChecksumCRC64NVME: "rosUhgp5mIg=" }));
      }
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: ChecksumAlgorithm, ChecksumMode: "ENABLED" }));
      assert.equal(head[`Checksum${ChecksumAlgorithm}`], put[`Checksum${ChecksumAlgorithm}`]);
      assert.ok(head[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
    }
    await refused(s3.send(new PutObjectCommand({ Bucket, Key: "bad", Body: "x", ChecksumCRC32: "AAAAAA==" })), "BadDigest");
  },
  async "a streamed body, aws-chunked with its checksum in the trailer"() {
    const Body = randomBytes(3 * 1024 * 1024 + 5);
    const file = path.join(directory, "body");
    fs.writeFileSync(file, Body);
    let sent;
    const client = new S3Client({ ...base, endpoint });
    client.middlewareStack.add((next) => async (args) => {
      sent = args.request.headers;
      return next(args);
    }, { step: "deserialize", priority: "low" });
    await client.send(new PutObjectCommand({ Bucket, Key: "streamed", Body: fs.createReadStream(file),
      ContentLength: Body.length, ContentEncoding: "gzip" }));
    assert.equal(sent["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert.equal(sent["x-amz-trailer"], "x-amz-checksum-crc32");
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "streamed" }));
    assert.equal(got.ContentEncoding, "gzip");
    assert.deepEqual(await bodyOf(got), Body);
  },
  async "multipart with part checksums"() {
    const Key = "multi";
    const bodies = [randomBytes(5 << 20), randomBytes(1000)];
    for (const ChecksumType of ["COMPOSITE", "FULL_OBJECT"]) {
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "CRC32", ChecksumType }));
      const Parts = [];
      for (const [index, Body] of bodies.entries()) {
        const part = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, Body, ChecksumAlgorithm: "CRC32" }));
        Parts.push({ PartNumber: index + 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
      }
      const listed = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }));
      assert.deepEqual(listed.Parts.map((part) => part.Size), [5 << 20, 1000]);
      const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts },
        MpuObjectSize: (5 << 20) + 1000, ...(ChecksumType === "FULL_OBJECT" ? { ChecksumType } : {}) }));
      assert.match(done.ETag, /^"[0-9a-f]{32}-2"$/);
      assert.equal(done.ChecksumType, ChecksumType);
      assert.equal(done.ChecksumCRC32.endsWith("-2"), ChecksumType === "COMPOSITE");
      const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
      assert.deepEqual(await bodyOf(got), Buffer.concat(bodies));
    }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await refused(s3.send(new ListPartsCommand({ Bucket, Key, UploadId })), "NoSuchUpload");
  },
  async "listing, conditional write, deletion"() {
    await refused(s3.send(new PutObjectCommand({ Bucket, Key: "CRC32", Body: "", IfNoneMatch: "*" })), "PreconditionFailed");
    const keys = [];
    for await (const page of paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket, EncodingType: "url" })) {
      keys.push(...(page.Contents ?? []).map((object) => decodeURIComponent(object.Key)));
    }
    assert.ok(keys.includes("a b/日本+.gz") && keys.includes("multi"), keys.join());
    const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
    assert.equal(deleted.Deleted.length, keys.length);
    await refused(s3.send(new GetObjectCommand({ Bucket, Key: "multi" })), "NoSuchKey");
  },
  async "virtual-hosted buckets"() {
    const agent = new http.Agent({ lookup: (_, options, found) => (options.all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4)) });
    const hosted = new S3Client({ ...base, endpoint: `http://s3.localhost:${port}`, requestHandler: new NodeHttpHandler({ httpAgent: agent }) });
    await hosted.send(new PutObjectCommand({ Bucket, Key: "hosted", Body: "virtual" }));
    assert.equal((await bodyOf(await s3.send(new GetObjectCommand({ Bucket, Key: "hosted" })))).toString(), "virtual");
  },
  async "CloudWatch Logs: put, rejections, get, filter"() {
    const logGroupName = "/node/logs";
    const logStreamName = "stream";
    await logs.send(new CreateLogGroupCommand({ logGroupName, tags: { team: "a" } }));
    await logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays: 14 }));
    const events = (messages, timestamp = Date.now()) => messages.map((message) => ({ timestamp, message }));
    const put = (logEvents) => logs.send(new PutLogEventsCommand({ logGroupName, logStreamName, logEvents }));
    await refused(put(events(["x"])), "ResourceNotFoundException");
    await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
    const day = 86_400_000;
    const answer = await put([...events(["old"], Date.now() - 20 * day), ...events(['{"level":"ERROR","n":1}', "日本語 \u0000 text"])]);
    assert.deepEqual(answer.rejectedLogEventsInfo, { tooOldLogEventEndIndex: 1, expiredLogEventEndIndex: 1 });
    assert.ok(answer.$metadata.requestId);
    await refused(put(events(["a", ""])), "InvalidParameterException");
    const got = await logs.send(new GetLogEventsCommand({ logGroupName, logStreamName, startFromHead: true }));
    assert.deepEqual(got.events.map((event) => event.message), ['{"level":"ERROR","n":1}', "日本語 \u0000 text"]);
    const found = await logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern: '{ $.level = "ERROR" }' }));
    assert.equal(found.events.length, 1);
    await put(events(Array.from({ length: 25 }, (_, n) => `line ${n}`)));
    let count = 0;
    for await (const page of paginateFilterLogEvents({ client: logs, pageSize: 10 }, { logGroupName })) count += page.events.length;
    assert.equal(count, 27);
    const groups = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: "/node" }));
    assert.equal(groups.logGroups[0].retentionInDays, 14);
  },
  async "wrong secrets are refused"() {
    const credentials = { accessKeyId: "AKIANODE", secretAccessKey: "wrong" };
    await refused(new S3Client({ ...base, endpoint, credentials }).send(new ListBucketsCommand({})), "SignatureDoesNotMatch");
    await refused(new CloudWatchLogsClient({ ...base, endpoint, credentials }).send(new DescribeLogGroupsCommand({})), "InvalidSignatureException");
    await refused(new CloudWatchLogsClient({ ...base, endpoint, region: "us-east-1" }).send(new DescribeLogGroupsCommand({})), "InvalidSignatureException");
  },
};

let passed = 0;
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    ++passed;
    console.log(`ok      ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
server.removeAllListeners("exit");
server.kill("SIGTERM");
await new Promise((resolve) => server.on("exit", resolve));
fs.rmSync(directory, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
