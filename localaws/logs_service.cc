#include "localaws/logs_service.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "localaws/filter_pattern.h"
#include "localaws/hashes.h"
#include "localaws/json_reader.h"
#include "localaws/json_text.h"
#include "localaws/logs_names.h"
#include "localaws/put_log_events.h"
#include "localaws/time_text.h"

namespace noroshi::localaws {
namespace {

struct Call {
  const LogsContext& context;
  JsonReader& json;
  std::string region;
  Timestamp now;
};

std::string group_arn(const Call& call, std::string_view group) {
  return fmt::format("arn:aws:logs:{}:{}:log-group:{}", call.region, call.context.account_id,
                     group);
}

// Tokens name the place where the next page begins; they are opaque to clients and stable for ever.
std::string key_token(std::string_view kind, const EventKey& key) {
  return fmt::format("{}/{}", kind,
                     base64(fmt::format("{} {} {}", key.timestamp, key.position, key.stream)));
}

std::optional<EventKey> parse_key_token(std::string_view kind, std::string_view token) {
  if (!token.starts_with(kind) || token.substr(kind.size(), 1) != "/") return std::nullopt;
  const auto text = base64_decode(token.substr(kind.size() + 1));
  if (!text) return std::nullopt;
  EventKey key;
  const char* const end = text->data() + text->size();
  auto [at, error] = std::from_chars(text->data(), end, key.timestamp);
  if (error != std::errc() || at == end || *at != ' ') return std::nullopt;
  auto [next, position_error] = std::from_chars(at + 1, end, key.position);
  if (position_error != std::errc() || next == end || *next != ' ') return std::nullopt;
  key.stream = std::string(next + 1, end);
  return key;
}

std::unexpected<AwsError> invalid_token() {
  return invalid_parameter("The specified nextToken is invalid.");
}

// Where a list of names goes on: the last name of the page before.
Answer<std::string> name_token(JsonReader& json) {
  NOROSHI_ASSIGN(const auto token, json.string("nextToken"));
  if (!token) return std::string();
  const auto text = base64_decode(*token);
  if (!text) return invalid_token();
  return *text;
}

// --- groups

Answer<std::string> create_group(Call& call) {
  LogGroup group;
  NOROSHI_ASSIGN(group.name, group_name(call.json));
  if (group.name.starts_with("aws/")) {
    return invalid_parameter("Log groups starting with aws/ are reserved for AWS.");
  }
  NOROSHI_ASSIGN(const auto log_class, call.json.string("logGroupClass"));
  if (log_class) {
    if (*log_class != "STANDARD" && *log_class != "INFREQUENT_ACCESS" && *log_class != "DELIVERY") {
      return invalid_parameter(fmt::format(
          "1 validation error detected: Value '{}' at 'logGroupClass' failed to satisfy "
          "constraint: Member must satisfy enum value set: [STANDARD, "
          "INFREQUENT_ACCESS, DELIVERY]",
          *log_class));
    }
    group.log_class = std::string(*log_class);
  }
  NOROSHI_ASSIGN(const auto kms_key, call.json.string("kmsKeyId"));
  if (kms_key) {
    if (kms_key->size() > 256) return invalid_parameter("kmsKeyId is longer than 256 characters");
    group.kms_key = std::string(*kms_key);
  }
  NOROSHI_ASSIGN(const auto tags, call.json.object("tags"));
  if (tags) {
    NOROSHI_ASSIGN(group.tags, parse_tags(*tags));
  }
  NOROSHI_TRY(call.context.store.create_group(std::move(group)));
  return "{}";
}

Answer<std::string> delete_group(Call& call) {
  NOROSHI_ASSIGN(const std::string name, group_name(call.json));
  NOROSHI_TRY(call.context.store.delete_group(name));
  return "{}";
}

Answer<std::string> describe_groups(Call& call) {
  NOROSHI_ASSIGN(const auto prefix, call.json.string("logGroupNamePrefix"));
  NOROSHI_ASSIGN(const auto pattern, call.json.string("logGroupNamePattern"));
  if (prefix && pattern) {
    return invalid_parameter("logGroupNamePrefix and logGroupNamePattern are mutually exclusive");
  }
  NOROSHI_ASSIGN(const size_t limit, page_limit(call.json, 50, 50));
  NOROSHI_ASSIGN(const std::string after, name_token(call.json));
  std::string out = "{\"logGroups\":[";
  std::string last;
  size_t count = 0;
  bool more = false;
  for (const LogGroup& group : call.context.store.groups()) {
    if (prefix && !group.name.starts_with(*prefix)) continue;
    if (pattern && group.name.find(*pattern) == std::string::npos) continue;
    if (!after.empty() && group.name <= after) continue;
    if (count == limit) {
      more = true;
      break;
    }
    const std::string arn = group_arn(call, group.name);
    out += fmt::format(
        "{}{{\"logGroupName\":{},\"creationTime\":{},\"metricFilterCount\":0,\"arn\":{},"
        "\"logGroupArn\":{},\"storedBytes\":{},\"logGroupClass\":{}",
        count > 0 ? "," : "", json_text(group.name), group.created, json_text(arn + ":*"),
        json_text(arn), group.bytes, json_text(group.log_class));
    if (group.retention_days > 0)
      out += fmt::format(",\"retentionInDays\":{}", group.retention_days);
    if (!group.kms_key.empty()) out += fmt::format(",\"kmsKeyId\":{}", json_text(group.kms_key));
    out += "}";
    last = group.name;
    ++count;
  }
  out += "]";
  if (more) out += fmt::format(",\"nextToken\":{}", json_text(base64(last)));
  return out + "}";
}

Answer<std::string> put_retention(Call& call) {
  NOROSHI_ASSIGN(const std::string name, group_name(call.json));
  NOROSHI_ASSIGN(const auto days, call.json.integer("retentionInDays"));
  if (!days || !allowed_retention(*days)) {
    return invalid_parameter(fmt::format(
        "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy "
        "constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, "
        "120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]",
        days ? std::to_string(*days) : "null"));
  }
  NOROSHI_TRY(call.context.store.update_group(
      name, [&](LogGroup& group) { group.retention_days = static_cast<int>(*days); }));
  return "{}";
}

Answer<std::string> delete_retention(Call& call) {
  NOROSHI_ASSIGN(const std::string name, group_name(call.json));
  NOROSHI_TRY(
      call.context.store.update_group(name, [](LogGroup& group) { group.retention_days = 0; }));
  return "{}";
}

Answer<std::string> tagged_group(Call& call) {
  NOROSHI_ASSIGN(const auto arn, call.json.string("resourceArn"));
  if (!arn) return group_name(call.json);
  return group_of_arn(*arn);
}

Answer<std::string> tag_resource(Call& call) {
  NOROSHI_ASSIGN(const std::string name, tagged_group(call));
  NOROSHI_ASSIGN(const auto tags, call.json.object("tags"));
  if (!tags) return invalid_parameter("tags must not be null");
  NOROSHI_ASSIGN(const Parameters added, parse_tags(*tags));
  NOROSHI_TRY(call.context.store.update_group(name, [&](LogGroup& group) {
    for (const auto& [key, value] : added) {
      const auto same = std::ranges::find(group.tags, key, &Parameters::value_type::first);
      if (same != group.tags.end()) {
        same->second = value;
      } else {
        group.tags.emplace_back(key, value);
      }
    }
  }));
  return "{}";
}

Answer<std::string> list_tags(Call& call) {
  NOROSHI_ASSIGN(const std::string name, tagged_group(call));
  NOROSHI_ASSIGN(const LogGroup group, call.context.store.find_group(name));
  std::string out = "{\"tags\":{";
  for (size_t i = 0; i < group.tags.size(); ++i) {
    out += fmt::format("{}{}:{}", i > 0 ? "," : "", json_text(group.tags[i].first),
                       json_text(group.tags[i].second));
  }
  return out + "}}";
}

// --- streams

Answer<std::string> create_stream(Call& call) {
  NOROSHI_ASSIGN(const std::string group, group_name(call.json));
  NOROSHI_ASSIGN(const std::string stream, stream_name(call.json));
  NOROSHI_TRY(call.context.store.create_stream(group, stream));
  return "{}";
}

Answer<std::string> delete_stream(Call& call) {
  NOROSHI_ASSIGN(const std::string group, group_name(call.json));
  NOROSHI_ASSIGN(const std::string stream, stream_name(call.json));
  NOROSHI_TRY(call.context.store.delete_stream(group, stream));
  return "{}";
}

Answer<std::string> describe_streams(Call& call) {
  NOROSHI_ASSIGN(const std::string group, group_name_or_identifier(call.json));
  NOROSHI_ASSIGN(const auto prefix, call.json.string("logStreamNamePrefix"));
  NOROSHI_ASSIGN(const auto order, call.json.string("orderBy"));
  NOROSHI_ASSIGN(const auto descending, call.json.boolean("descending"));
  NOROSHI_ASSIGN(const size_t limit, page_limit(call.json, 50, 50));
  NOROSHI_ASSIGN(const auto token, call.json.string("nextToken"));
  const bool by_time = order && *order == "LastEventTime";
  if (order && !by_time && *order != "LogStreamName") {
    return invalid_parameter("orderBy must be LogStreamName or LastEventTime");
  }
  if (by_time && prefix) {
    return invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.");
  }
  NOROSHI_ASSIGN(std::vector<LogStream> streams, call.context.store.streams(group));
  const auto key = [&](const LogStream& stream) {
    const int64_t time = stream.events > 0 ? stream.last : stream.created;
    return EventKey{by_time ? time : 0, stream.name, 0};
  };
  const bool down = descending.value_or(false);
  std::ranges::sort(streams, [&](const LogStream& a, const LogStream& b) {
    return down ? key(a) > key(b) : key(a) < key(b);
  });
  std::optional<EventKey> after;
  if (token) {
    after = parse_key_token("s", *token);
    if (!after) return invalid_token();
  }
  std::string out = "{\"logStreams\":[";
  const LogStream* last = nullptr;
  size_t count = 0;
  bool more = false;
  for (const LogStream& stream : streams) {
    if (prefix && !stream.name.starts_with(*prefix)) continue;
    if (after && (down ? key(stream) >= *after : key(stream) <= *after)) continue;
    if (count == limit) {
      more = true;
      break;
    }
    out += fmt::format("{}{{\"logStreamName\":{},\"creationTime\":{}", count > 0 ? "," : "",
                       json_text(stream.name), stream.created);
    if (stream.events > 0) {
      out += fmt::format(
          ",\"firstEventTimestamp\":{},\"lastEventTimestamp\":{},\"lastIngestionTime\":{}",
          stream.first, stream.last, stream.last_ingestion);
    }
    // AWS reports 0 stored bytes for streams since 2019; so do we.
    out += fmt::format(
        ",\"uploadSequenceToken\":\"{:056}\",\"arn\":{},\"storedBytes\":0}}", stream.events,
        json_text(fmt::format("{}:log-stream:{}", group_arn(call, group), stream.name)));
    last = &stream;
    ++count;
  }
  out += "]";
  if (more && last != nullptr) {
    out += fmt::format(",\"nextToken\":{}", json_text(key_token("s", key(*last))));
  }
  return out + "}";
}

// --- events

Answer<std::vector<LogEventView>> log_events(JsonReader& json) {
  NOROSHI_ASSIGN(const auto array, json.array("logEvents"));
  if (!array) {
    return invalid_parameter(
        "1 validation error detected: Value null at 'logEvents' failed to satisfy constraint: "
        "Member must not be null");
  }
  std::vector<LogEventView> events;
  for (const simdjson::dom::element element : *array) {
    LogEventView event;
    simdjson::dom::object object;
    if (element.get(object) != simdjson::SUCCESS) {
      return serialization_error("an element of logEvents is not an object");
    }
    simdjson::dom::element message, timestamp;
    const bool has_message = object["message"].get(message) == simdjson::SUCCESS;
    const bool has_timestamp = object["timestamp"].get(timestamp) == simdjson::SUCCESS;
    if (!has_message || !has_timestamp) {
      return invalid_parameter(fmt::format(
          "1 validation error detected: Value null at 'logEvents.{}.member.{}' failed to satisfy "
          "constraint: Member must not be null",
          events.size() + 1, has_message ? "timestamp" : "message"));
    }
    if (message.get(event.message) != simdjson::SUCCESS) {
      return serialization_error("a message is not a string");
    }
    if (timestamp.get(event.timestamp) != simdjson::SUCCESS) {
      return serialization_error("a timestamp is not a whole number");
    }
    events.push_back(event);
  }
  return events;
}

Answer<std::string> put_events(Call& call) {
  NOROSHI_ASSIGN(const std::string group, group_name(call.json));
  NOROSHI_ASSIGN(const std::string stream, stream_name(call.json));
  NOROSHI_ASSIGN(const std::vector<LogEventView> events, log_events(call.json));
  NOROSHI_TRY(check_batch(events));
  NOROSHI_ASSIGN(const LogGroup info, call.context.store.find_group(group));
  NOROSHI_TRY(call.context.store.find_stream(group, stream));
  NOROSHI_ASSIGN(const Acceptance taken,
                 accept_events(events, to_millis(call.now), info.retention_days));
  if (taken.first_taken < taken.end_taken) {
    const std::vector<LogEventView> kept(events.begin() + static_cast<ptrdiff_t>(taken.first_taken),
                                         events.begin() + static_cast<ptrdiff_t>(taken.end_taken));
    NOROSHI_TRY(call.context.store.append(group, stream, kept));
  }
  NOROSHI_ASSIGN(const LogStream after, call.context.store.find_stream(group, stream));
  std::string out = fmt::format("{{\"nextSequenceToken\":\"{:056}\"", after.events);
  if (taken.too_old_end || taken.expired_end || taken.too_new_start) {
    std::string members;
    const auto add = [&](std::string_view name, const std::optional<size_t>& value) {
      if (!value) return;
      members += fmt::format("{}\"{}\":{}", members.empty() ? "" : ",", name, *value);
    };
    add("tooNewLogEventStartIndex", taken.too_new_start);
    add("tooOldLogEventEndIndex", taken.too_old_end);
    add("expiredLogEventEndIndex", taken.expired_end);
    out += fmt::format(",\"rejectedLogEventsInfo\":{{{}}}", members);
  }
  return out + "}";
}

Answer<std::string> get_events(Call& call) {
  LogQuery query;
  NOROSHI_ASSIGN(query.group, group_name_or_identifier(call.json));
  NOROSHI_ASSIGN(const std::string stream, stream_name(call.json));
  NOROSHI_ASSIGN(const auto start, call.json.integer("startTime"));
  NOROSHI_ASSIGN(const auto end, call.json.integer("endTime"));
  NOROSHI_ASSIGN(const auto from_head, call.json.boolean("startFromHead"));
  NOROSHI_ASSIGN(const auto token, call.json.string("nextToken"));
  NOROSHI_ASSIGN(query.events_max, page_limit(call.json, 10'000, 10'000));
  NOROSHI_TRY(call.context.store.find_stream(query.group, stream));
  query.start = start.value_or(0);
  query.end = end.value_or(INT64_MAX);
  query.wants_stream = [&](std::string_view name) { return name == stream; };
  query.backward = !from_head.value_or(false);
  // "f/…" goes on after its event, "b/…" before it. At either end the same token comes back.
  std::optional<EventKey> place;
  if (token) {
    const auto forward = parse_key_token("f", *token);
    const auto backward = parse_key_token("b", *token);
    if (!forward && !backward) return invalid_token();
    query.backward = !forward;
    query.after = forward ? forward : backward;
    place = query.after;
  }
  NOROSHI_ASSIGN(LogPage page, call.context.store.read(query));
  if (query.backward) std::ranges::reverse(page.events);
  const bool empty = page.events.empty();
  const EventKey first =
      empty ? place.value_or(EventKey{INT64_MAX, stream, 0}) : page.events.front().key;
  const EventKey last = empty ? place.value_or(EventKey{0, stream, 0}) : page.events.back().key;
  std::string out = "{\"events\":[";
  for (size_t i = 0; i < page.events.size(); ++i) {
    const FoundEvent& event = page.events[i];
    out += fmt::format("{}{{\"timestamp\":{},\"ingestionTime\":{},\"message\":", i > 0 ? "," : "",
                       event.key.timestamp, event.ingestion);
    write_json_string(out, event.message);
    out += "}";
  }
  out += fmt::format("],\"nextForwardToken\":{},\"nextBackwardToken\":{}}}",
                     json_text(key_token("f", last)), json_text(key_token("b", first)));
  return out;
}

std::string event_id(std::string_view group, const EventKey& key) {
  const std::string digest =
      hash(HashAlgorithm::Sha256, fmt::format("{}\n{}\n{}", group, key.stream, key.position));
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<uint8_t>(digest[i]);
  return fmt::format("{:016}{:020}{:020}", key.timestamp, number, key.position);
}

Answer<std::string> filter_events(Call& call) {
  LogQuery query;
  NOROSHI_ASSIGN(query.group, group_name_or_identifier(call.json));
  NOROSHI_ASSIGN(const auto names, call.json.array("logStreamNames"));
  NOROSHI_ASSIGN(const auto prefix, call.json.string("logStreamNamePrefix"));
  NOROSHI_ASSIGN(const auto start, call.json.integer("startTime"));
  NOROSHI_ASSIGN(const auto end, call.json.integer("endTime"));
  NOROSHI_ASSIGN(const auto pattern, call.json.string("filterPattern"));
  NOROSHI_ASSIGN(const auto token, call.json.string("nextToken"));
  NOROSHI_ASSIGN(query.events_max, page_limit(call.json, 10'000, 10'000));
  if (names && prefix) {
    return invalid_parameter("Cannot specify both logStreamNames and logStreamNamePrefix.");
  }
  if (start && end && *end < *start) {
    return invalid_parameter("endTime must not be before startTime");
  }
  NOROSHI_TRY(call.context.store.find_group(query.group));
  std::vector<std::string> wanted;
  if (names) {
    for (const simdjson::dom::element element : *names) {
      std::string_view name;
      if (element.get(name) != simdjson::SUCCESS) {
        return serialization_error("a stream name is not a string");
      }
      NOROSHI_TRY(call.context.store.find_stream(query.group, name));
      wanted.emplace_back(name);
    }
    if (wanted.empty() || wanted.size() > 100) {
      return invalid_parameter("logStreamNames takes 1 to 100 names");
    }
    std::ranges::sort(wanted);
    query.wants_stream = [&](std::string_view name) {
      return std::ranges::binary_search(wanted, name);
    };
  } else if (prefix) {
    query.wants_stream = [&](std::string_view name) { return name.starts_with(*prefix); };
  }
  query.start = start.value_or(0);
  query.end =
      end && *end < INT64_MAX ? *end + 1 : INT64_MAX;  // inclusive here, unlike GetLogEvents
  std::optional<FilterPattern> filter;
  if (pattern && !pattern->empty()) {
    auto parsed = FilterPattern::parse(*pattern);
    if (!parsed) return invalid_parameter(parsed.error().message);
    filter = *std::move(parsed);
    query.wants_message = [&](std::string_view message) { return filter->matches(message); };
  }
  if (token) {
    query.after = parse_key_token("n", *token);
    if (!query.after) return invalid_token();
  }
  NOROSHI_ASSIGN(const LogPage page, call.context.store.read(query));
  std::string out = "{\"events\":[";
  for (size_t i = 0; i < page.events.size(); ++i) {
    const FoundEvent& event = page.events[i];
    out += fmt::format(
        "{}{{\"logStreamName\":{},\"timestamp\":{},\"ingestionTime\":{},\"eventId\":\"{}\","
        "\"message\":",
        i > 0 ? "," : "", json_text(event.key.stream), event.key.timestamp, event.ingestion,
        event_id(query.group, event.key));
    write_json_string(out, event.message);
    out += "}";
  }
  out += "],\"searchedLogStreams\":[]";
  if (!page.complete && page.last) {
    out += fmt::format(",\"nextToken\":{}", json_text(key_token("n", *page.last)));
  }
  return out + "}";
}

struct Operation {
  std::string_view name;
  Answer<std::string> (*run)(Call&);
};
constexpr auto kOperations = std::to_array<Operation>({
    {"PutLogEvents", put_events},
    {"CreateLogGroup", create_group},
    {"CreateLogStream", create_stream},
    {"DeleteLogGroup", delete_group},
    {"DeleteLogStream", delete_stream},
    {"DescribeLogGroups", describe_groups},
    {"DescribeLogStreams", describe_streams},
    {"PutRetentionPolicy", put_retention},
    {"DeleteRetentionPolicy", delete_retention},
    {"TagResource", tag_resource},
    {"TagLogGroup", tag_resource},
    {"ListTagsForResource", list_tags},
    {"ListTagsLogGroup", list_tags},
    {"GetLogEvents", get_events},
    {"FilterLogEvents", filter_events},
});

}  // namespace

Answer<std::string> run_logs_operation(const LogsContext& context, std::string_view operation,
                                       std::string_view body, std::string_view region) {
  const auto found = std::ranges::find(kOperations, operation, &Operation::name);
  if (found == kOperations.end()) {
    return refuse(400, "UnknownOperationException", fmt::format("no operation {}", operation));
  }
  JsonReader json;
  NOROSHI_TRY(json.parse(body.empty() ? "{}" : body));
  Call call{context, json, std::string(region), context.clock.wall()};
  return found->run(call);
}

Answer<std::string> gunzip(std::string_view bytes) {
  static constexpr int kGzipWindow = 15 + 16;
  z_stream stream{};
  if (::inflateInit2(&stream, kGzipWindow) != Z_OK) {
    return refuse(500, "InternalFailure", "cannot begin to decompress");
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int status = Z_OK;
  while (status == Z_OK && out.size() <= kLogsBodyBytesMax) {
    const size_t before = out.size();
    out.resize(before + 256 * 1024);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    status = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  const bool trailing = stream.avail_in > 0;
  ::inflateEnd(&stream);
  if (out.size() > kLogsBodyBytesMax) {
    return refuse(413, "RequestEntityTooLargeException", "the decompressed body is too large");
  }
  if (status != Z_STREAM_END || trailing) {
    return serialization_error("The request body is not valid gzip");
  }
  return out;
}

ServerResponse logs_response(std::string body, std::string_view request_id) {
  ServerResponse response{.headers = {{"Content-Type", "application/x-amz-json-1.1"},
                                      {"x-amzn-RequestId", std::string(request_id)}}};
  // Operations without a result answer with an empty body.
  if (body != "{}") response.body = std::move(body);
  return response;
}

ServerResponse logs_error(const AwsError& error, std::string_view request_id) {
  std::string body =
      "{\"__type\":" + json_text(error.code) + ",\"message\":" + json_text(error.message);
  for (const auto& [name, value] : error.details) {
    body += "," + json_text(name) + ":" + json_text(value);
  }
  body += "}";
  return {.status = error.status,
          .headers = {{"Content-Type", "application/x-amz-json-1.1"},
                      {"x-amzn-RequestId", std::string(request_id)},
                      {"x-amzn-ErrorType", error.code}},
          .body = std::move(body)};
}

}  // namespace noroshi::localaws
