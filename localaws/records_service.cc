#include "localaws/records_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "localaws/hashes.h"
#include "localaws/json_reader.h"
#include "localaws/json_text.h"
#include "record/utf8.h"

namespace noroshi::localaws {
namespace {

constexpr std::string_view kShard = "shardId-000000000000";
constexpr size_t kGetRecordsMax = 10'000;

struct Call {
  const RecordsContext& context;
  RecordsService service;
  JsonReader& json;
  std::string region;
  const std::optional<PartialFailure>& partial;
};

std::unexpected<AwsError> invalid(RecordsService service, std::string message) {
  return refuse(
      400, service == RecordsService::Firehose ? "InvalidArgumentException" : "ValidationException",
      std::move(message));
}

bool is_name(std::string_view name, size_t longest) {
  return !name.empty() && name != "." && name != ".." && name.size() <= longest &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.' || c == '-';
         });
}

Answer<std::string> stream_name(Call& call) {
  const bool firehose = call.service == RecordsService::Firehose;
  const std::string_view member = firehose ? "DeliveryStreamName" : "StreamName";
  NOROSHI_ASSIGN(auto name, call.json.string(member));
  if (!name && !firehose) {
    NOROSHI_ASSIGN(const auto arn, call.json.string("StreamARN"));
    if (arn && arn->find(":stream/") != std::string_view::npos)
      name = arn->substr(arn->find(":stream/") + 8);
  }
  if (!name || !is_name(*name, firehose ? 64 : 128)) {
    return invalid(call.service,
                   fmt::format("1 validation error detected: Value '{}' at '{}' failed to satisfy "
                               "constraint: Member must satisfy regular expression pattern: "
                               "[a-zA-Z0-9_.-]+",
                               name.value_or("null"), member));
  }
  return std::string(*name);
}

std::string sequence_number(uint64_t number) { return fmt::format("4965{:052}", number); }

std::optional<uint64_t> parse_sequence_number(std::string_view text) {
  uint64_t number = 0;
  if (text.size() != 56 || !text.starts_with("4965")) return std::nullopt;
  text.remove_prefix(text.find_first_not_of('0', 4) == std::string_view::npos
                         ? text.size() - 1
                         : text.find_first_not_of('0', 4));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

size_t characters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

// One entry of Records. Checks what is refused with the whole request.
Answer<NewRecord> read_record(RecordsService service, simdjson::dom::element element, size_t number,
                              size_t& bytes) {
  const auto wrong = [&](std::string_view what) {
    return invalid(service, fmt::format("1 validation error detected: 'records.{}.member': {}",
                                        number + 1, what));
  };
  std::string_view data;
  std::string_view key;
  if (element["Data"].get(data) != simdjson::SUCCESS) return wrong("Data must not be null");
  const auto decoded = base64_decode(data);
  if (!decoded) return serialization_error("Data is not base64");
  size_t size = decoded->size();
  size_t most = kFirehoseRecordBytesMax;
  if (service == RecordsService::Kinesis) {
    if (element["PartitionKey"].get(key) != simdjson::SUCCESS || key.empty() ||
        characters(key) > kPartitionKeyMax) {
      return wrong("PartitionKey must have 1 to 256 characters");
    }
    size += key.size();
    most = kKinesisRecordBytesMax;
  }
  if (size > most)
    return wrong(fmt::format("Member must have length less than or equal to {}", most));
  bytes += size;
  return NewRecord{.key = std::string(key), .data = std::string(data)};
}

Answer<std::string> put_records(Call& call) {
  const bool firehose = call.service == RecordsService::Firehose;
  NOROSHI_ASSIGN(const std::string stream, stream_name(call));
  NOROSHI_ASSIGN(const auto list, call.json.array("Records"));
  if (!list || list->size() == 0 || list->size() > kPutRecordsMax) {
    return invalid(call.service,
                   fmt::format("1 validation error detected: Value at 'records' failed to satisfy "
                               "constraint: Member must have length from 1 to {}",
                               kPutRecordsMax));
  }
  std::vector<NewRecord> records;
  size_t bytes = 0;
  for (const simdjson::dom::element element : *list) {
    NOROSHI_ASSIGN(NewRecord record, read_record(call.service, element, records.size(), bytes));
    records.push_back(std::move(record));
  }
  if (bytes > (firehose ? kFirehoseRequestBytesMax : kKinesisRequestBytesMax)) {
    return invalid(call.service, "Records size exceeds the limit of a request");
  }
  std::vector<NewRecord> taken;
  std::vector<bool> refused(records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const auto before = [&](size_t n) {
      return call.partial ? static_cast<uint64_t>(static_cast<double>(n) * call.partial->share) : 0;
    };
    refused[i] = before(i + 1) > before(i);
    if (!refused[i]) taken.push_back(std::move(records[i]));
  }
  NOROSHI_ASSIGN(uint64_t number, call.context.store.append(call.service, stream, taken));
  std::string entries;
  for (size_t i = 0; i < refused.size(); ++i) {
    if (i > 0) entries += ',';
    if (refused[i]) {
      entries += fmt::format(R"({{"ErrorCode":{},"ErrorMessage":{}}})",
                             json_text(call.partial->error), json_text(call.partial->message));
    } else if (firehose) {
      entries += fmt::format(R"({{"RecordId":{}}})", json_text(sequence_number(number++)));
    } else {
      entries += fmt::format(R"({{"SequenceNumber":{},"ShardId":{}}})",
                             json_text(sequence_number(number++)), json_text(kShard));
    }
  }
  const size_t failed = refused.size() - taken.size();
  return firehose
             ? fmt::format(R"({{"FailedPutCount":{},"Encrypted":false,"RequestResponses":[{}]}})",
                           failed, entries)
             : fmt::format(R"({{"FailedRecordCount":{},"Records":[{}]}})", failed, entries);
}

std::string stream_arn(const Call& call, std::string_view stream) {
  return call.service == RecordsService::Firehose
             ? fmt::format("arn:aws:firehose:{}:{}:deliverystream/{}", call.region,
                           call.context.account_id, stream)
             : fmt::format("arn:aws:kinesis:{}:{}:stream/{}", call.region, call.context.account_id,
                           stream);
}

Answer<std::string> create(Call& call) {
  NOROSHI_ASSIGN(const std::string stream, stream_name(call));
  NOROSHI_TRY(call.context.store.create(call.service, stream));
  if (call.service == RecordsService::Kinesis) return std::string("{}");
  return fmt::format(R"({{"DeliveryStreamARN":{}}})", json_text(stream_arn(call, stream)));
}

Answer<std::string> remove(Call& call) {
  NOROSHI_ASSIGN(const std::string stream, stream_name(call));
  NOROSHI_TRY(call.context.store.remove(call.service, stream));
  return std::string("{}");
}

Answer<std::string> list(Call& call) {
  std::string names;
  for (const std::string& name : call.context.store.names(call.service)) {
    if (!names.empty()) names += ',';
    names += json_text(name);
  }
  return call.service == RecordsService::Firehose
             ? fmt::format(R"({{"DeliveryStreamNames":[{}],"HasMoreDeliveryStreams":false}})",
                           names)
             : fmt::format(R"({{"StreamNames":[{}],"HasMoreStreams":false}})", names);
}

Answer<std::string> describe(Call& call) {
  NOROSHI_ASSIGN(const std::string stream, stream_name(call));
  NOROSHI_TRY(call.context.store.count(call.service, stream));
  const std::string arn = json_text(stream_arn(call, stream));
  if (call.service == RecordsService::Firehose) {
    return fmt::format(
        R"({{"DeliveryStreamDescription":{{"DeliveryStreamName":{},"DeliveryStreamARN":{},)"
        R"("DeliveryStreamStatus":"ACTIVE","DeliveryStreamType":"DirectPut","VersionId":"1",)"
        R"("Destinations":[],"HasMoreDestinations":false}}}})",
        json_text(stream), arn);
  }
  return fmt::format(
      R"({{"StreamDescriptionSummary":{{"StreamName":{},"StreamARN":{},"StreamStatus":"ACTIVE",)"
      R"("RetentionPeriodHours":24,"StreamCreationTimestamp":0,"EnhancedMonitoring":[],)"
      R"("OpenShardCount":1}}}})",
      json_text(stream), arn);
}

Answer<std::string> list_shards(Call& call) {
  NOROSHI_ASSIGN(const std::string stream, stream_name(call));
  NOROSHI_TRY(call.context.store.count(call.service, stream));
  return fmt::format(R"({{"Shards":[{{"ShardId":{},"HashKeyRange":{{"StartingHashKey":"0",)"
                     R"("EndingHashKey":"340282366920938463463374607431768211455"}},)"
                     R"("SequenceNumberRange":{{"StartingSequenceNumber":{}}}}}]}})",
                     json_text(kShard), json_text(sequence_number(0)));
}

// "<number> <stream>" in base64: opaque to clients.
Answer<std::string> shard_iterator(Call& call) {
  NOROSHI_ASSIGN(const std::string stream, stream_name(call));
  NOROSHI_ASSIGN(const uint64_t count, call.context.store.count(call.service, stream));
  NOROSHI_ASSIGN(const auto type, call.json.string("ShardIteratorType"));
  NOROSHI_ASSIGN(const auto sequence, call.json.string("StartingSequenceNumber"));
  uint64_t from = 0;
  if (type == "LATEST") {
    from = count;
  } else if (type == "AT_SEQUENCE_NUMBER" || type == "AFTER_SEQUENCE_NUMBER") {
    const auto number = parse_sequence_number(sequence.value_or(""));
    if (!number)
      return refuse(400, "InvalidArgumentException", "StartingSequenceNumber is invalid");
    from = *number + (type == "AFTER_SEQUENCE_NUMBER" ? 1 : 0);
  } else if (type != "TRIM_HORIZON") {
    return refuse(400, "InvalidArgumentException",
                  "ShardIteratorType must be TRIM_HORIZON, LATEST, AT_ or AFTER_SEQUENCE_NUMBER");
  }
  return fmt::format(R"({{"ShardIterator":{}}})",
                     json_text(base64(fmt::format("{} {}", from, stream))));
}

Answer<std::string> get_records(Call& call) {
  NOROSHI_ASSIGN(const auto iterator, call.json.string("ShardIterator"));
  NOROSHI_ASSIGN(const auto limit, call.json.integer("Limit"));
  const auto text = base64_decode(iterator.value_or(""));
  const size_t space = text ? text->find(' ') : std::string::npos;
  uint64_t from = 0;
  if (space == std::string::npos ||
      std::from_chars(text->data(), text->data() + space, from).ptr != text->data() + space) {
    return refuse(400, "InvalidArgumentException", "The shard iterator is invalid");
  }
  const std::string stream = text->substr(space + 1);
  const size_t most =
      static_cast<size_t>(std::clamp<int64_t>(limit.value_or(kGetRecordsMax), 1, kGetRecordsMax));
  NOROSHI_ASSIGN(const auto lines, call.context.store.read(call.service, stream, from, most));
  std::string records;
  simdjson::dom::parser parser;
  for (size_t i = 0; i < lines.size(); ++i) {
    simdjson::dom::element line;
    std::string_view key;
    std::string_view data;
    int64_t time = 0;
    if (parser.parse(lines[i]).get(line) != simdjson::SUCCESS ||
        line["key"].get(key) != simdjson::SUCCESS || line["data"].get(data) != simdjson::SUCCESS ||
        line["time"].get(time) != simdjson::SUCCESS) {
      return internal_error("a stored record is damaged");
    }
    records +=
        fmt::format(R"({}{{"SequenceNumber":{},"ApproximateArrivalTimestamp":{}.{:03},"Data":{},)"
                    R"("PartitionKey":{}}})",
                    i > 0 ? "," : "", json_text(sequence_number(from + i)), time / 1000,
                    time % 1000, json_text(data), json_text(key));
  }
  return fmt::format(R"({{"Records":[{}],"NextShardIterator":{},"MillisBehindLatest":0}})", records,
                     json_text(base64(fmt::format("{} {}", from + lines.size(), stream))));
}

}  // namespace

Answer<std::string> run_records_operation(const RecordsContext& context, RecordsService service,
                                          std::string_view operation, std::string_view body,
                                          std::string_view region,
                                          const std::optional<PartialFailure>& partial) {
  JsonReader json;
  NOROSHI_TRY(json.parse(body));
  Call call{context, service, json, std::string(region), partial};
  if (service == RecordsService::Firehose) {
    if (operation == "PutRecordBatch") return put_records(call);
    if (operation == "CreateDeliveryStream") return create(call);
    if (operation == "DeleteDeliveryStream") return remove(call);
    if (operation == "DescribeDeliveryStream") return describe(call);
    if (operation == "ListDeliveryStreams") return list(call);
  } else {
    if (operation == "PutRecords") return put_records(call);
    if (operation == "CreateStream") return create(call);
    if (operation == "DeleteStream") return remove(call);
    if (operation == "DescribeStreamSummary") return describe(call);
    if (operation == "ListStreams") return list(call);
    if (operation == "ListShards") return list_shards(call);
    if (operation == "GetShardIterator") return shard_iterator(call);
    if (operation == "GetRecords") return get_records(call);
  }
  return refuse(400, "UnknownOperationException",
                fmt::format("noroshi-localaws has no operation {}", operation));
}

}  // namespace noroshi::localaws
