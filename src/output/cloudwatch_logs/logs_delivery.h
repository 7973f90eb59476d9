// LogsDelivery: one attempt to bring a LogBatch to CloudWatch Logs, and the one decision what each
// answer means. Puts first; only a 404 makes the stream (and the group, if allowed) and puts again,
// so the usual attempt is one request.
//
// On the delivery thread of its output only; deliver() blocks, and returns by its deadline.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "output/cloudwatch_logs/log_batch.h"
#include "output/output.h"
#include "output/request/gzip.h"

namespace noroshi {

class AwsClient;
struct AwsAnswer;
struct AwsFault;

enum class LogsCompression {
  Off,
  On,    // always, also where the service refuses it
  Auto,  // until the service refuses it once
};

struct LogsDeliveryOptions {
  std::string component = "output:cloudwatch_logs";  // of log lines
  std::string log_format = {};  // header x-amzn-logs-format, as it is; empty: not sent
  std::string user_agent = {};  // empty: the HTTP client's
  LogsCompression compression = LogsCompression::Auto;
  // Of groups that we make.
  bool auto_create_group = false;
  uint32_t retention_days = 0;   // 0: never expire
  std::string group_class = {};  // STANDARD, INFREQUENT_ACCESS; empty: the service's default
  std::string kms_key = {};
  std::vector<std::pair<std::string, std::string>> tags = {};
};

class LogsDelivery {
 public:
  // Makes the client at the first deliver(): region and credentials may ask the network.
  using MakeClient = std::function<Result<std::unique_ptr<AwsClient>>()>;

  // Requests of one attempt at most: enough to find one bad record among 10,000 (2 · log2) and to
  // spare.
  static constexpr uint32_t kRequestsMax = 64;
  // So many records refused one by one, and none accepted: the configuration is at fault, not they.
  static constexpr size_t kRefusedAloneMax = 8;
  // Bodies below this are not worth compressing: they fit into one packet anyway.
  static constexpr size_t kCompressBytesMin = 1400;
  static constexpr uint32_t kRetentionAttemptsMax = 5;
  static constexpr Nanoseconds kRetentionInterval = Seconds(60);

  LogsDelivery(LogsDeliveryOptions options, const Clock& clock, MakeClient make_client);
  ~LogsDelivery();

  [[nodiscard]] Delivery deliver(LogBatch& batch, Monotonic deadline);

 private:
  enum class Step { Continue, Stop };  // Stop: `delivery` is the answer of this attempt

  Step settle_accepted(LogBatch& batch, const AwsAnswer& answer, Delivery& delivery);
  Step settle_fault(LogBatch& batch, const AwsFault& fault, const AwsAnswer& answer,
                    Monotonic deadline, Delivery& delivery);
  Step settle_refused(LogBatch& batch, const AwsFault& fault, Delivery& delivery);
  Step create_stream(const LogBatch& batch, Monotonic deadline, Delivery& delivery);
  Step create_group(const std::string& group, Monotonic deadline, Delivery& delivery);
  void put_retention(const std::string& group, Monotonic deadline);

  [[nodiscard]] Result<AwsAnswer> put(LogBatch& batch, Monotonic deadline);
  [[nodiscard]] Result<AwsAnswer> call(std::string_view operation, std::string_view body,
                                       Monotonic deadline, bool compressed = false);

  struct Retention {
    uint32_t attempts = 0;
    Monotonic next = {};
  };

  LogsDeliveryOptions options_;
  const Clock& clock_;
  MakeClient make_client_;
  std::unique_ptr<AwsClient> client_;
  Gzip gzip_;
  bool compress_;
  std::map<std::string, Retention> retention_missing_;  // by group; those we made
  std::map<std::string, std::string> sequence_tokens_;  // by stream; only imitations of AWS ask
  LogEpisode entity_rejected_{};

  // Of the attempt under way.
  bool created_ = false;
  bool token_repeated_ = false;
  bool accepted_any_ = false;
};

}  // namespace noroshi
