// noroshi-localaws: all services behind one port, told apart by header, signature scope and path.
//
//   X-Amz-Target: Logs_20140328.<Operation>                → CloudWatch Logs
//   X-Amz-Target: Firehose_20150804.<Operation>            → Data Firehose
//   X-Amz-Target: Kinesis_20131202.<Operation>             → Kinesis Data Streams
//   scope service "sts", or POST / with a form             → STS
//   /v1/credentials, /v2/credentials/<id>, /v4/<id>[/task] → ECS and EKS container endpoints
//   /_localaws/…                                           → administration
//   anything else                                          → S3
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi::localaws {

struct Options {
  std::string data = {};  // directory; made if it does not exist
  std::string address = "127.0.0.1";
  uint16_t port = 4566;
  std::string access_key = "test";
  std::string secret_key = "test";
  std::string region = {};  // empty: any is taken, us-east-1 stands in ARNs
  std::string account_id = "000000000000";
  std::string container_token = {};
  std::vector<std::string> buckets = {};           // made at start
  std::vector<std::string> log_groups = {};        // made at start
  std::vector<std::string> delivery_streams = {};  // of Firehose, made at start
  std::vector<std::string> streams = {};           // of Kinesis, made at start
  int threads = 4;
  size_t connections = 512;
  uint64_t seed = 0;  // of faults with a rate; 0: random
};

class LocalAws {
 public:
  // Fails if the data directory belongs to another process, is damaged, or the port is taken.
  [[nodiscard]] static Result<std::unique_ptr<LocalAws>> start(Options options, const Clock& clock);
  ~LocalAws();

  [[nodiscard]] uint16_t port() const;
  void stop(Milliseconds grace);

 private:
  class Implementation;
  explicit LocalAws(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace noroshi::localaws
