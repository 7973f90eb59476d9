#include "localaws/admin.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>

#include "localaws/json_text.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kKeysShown = 1000;
constexpr uint64_t kRecordsShown = 10'000;
constexpr int64_t kLifetimeMax = 7 * 24 * 3600;  // seconds

ServerResponse json_response(std::string body, int status = 200) {
  return {
      .status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

ServerResponse json_error(int status, std::string_view message) {
  return json_response(fmt::format("{{\"error\":{}}}\n", json_text(message)), status);
}

uint64_t number_parameter(const Parameters& query, std::string_view name, uint64_t otherwise) {
  const std::string* text = find_parameter(query, name);
  uint64_t value = 0;
  if (text == nullptr ||
      std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) {
    return otherwise;
  }
  return value;
}

std::string bucket_summary(const S3Store& store, const std::string& name) {
  std::string out = fmt::format("{{\"name\":{},\"keys\":[", json_text(name));
  uint64_t bytes = 0;
  uint64_t objects = 0;
  std::string after;
  for (;;) {
    const auto page = store.list_objects(name, "", "", after, kKeysShown);
    if (!page) break;  // deleted meanwhile
    for (const ObjectPointer& object : page->objects) {
      if (objects < kKeysShown) {
        out += fmt::format("{}{{\"key\":{},\"size\":{},\"etag\":{}}}", objects > 0 ? "," : "",
                           json_text(object->key), object->bytes, json_text(object->etag));
      }
      bytes += object->bytes;
      ++objects;
    }
    if (!page->truncated) break;
    after = page->last;
  }
  const auto uploads = store.uploads(name);
  return out + fmt::format("],\"objects\":{},\"bytes\":{},\"open_uploads\":{}}}", objects, bytes,
                           uploads ? uploads->size() : 0);
}

std::string group_summary(const LogsStore& store, const LogGroup& group) {
  std::string out =
      fmt::format("{{\"name\":{},\"retention_days\":{},\"events\":{},\"bytes\":{},\"streams\":[",
                  json_text(group.name), group.retention_days, group.events, group.bytes);
  const auto streams = store.streams(group.name);
  if (streams) {
    for (size_t i = 0; i < streams->size() && i < kKeysShown; ++i) {
      const LogStream& stream = (*streams)[i];
      out += fmt::format("{}{{\"name\":{},\"events\":{},\"bytes\":{},\"first\":{},\"last\":{}}}",
                         i > 0 ? "," : "", json_text(stream.name), stream.events, stream.bytes,
                         stream.first, stream.last);
    }
  }
  return out + "]}";
}

ServerResponse summary(const AdminContext& context) {
  std::string out = "{\"buckets\":[";
  bool first = true;
  for (const auto& [name, created] : context.s3.buckets()) {
    out += (first ? "" : ",") + bucket_summary(context.s3, name);
    first = false;
  }
  out += "],\"groups\":[";
  first = true;
  for (const LogGroup& group : context.logs.groups()) {
    out += (first ? "" : ",") + group_summary(context.logs, group);
    first = false;
  }
  return json_response(out + "]}\n");
}

ServerResponse faults(const AdminContext& context, const ServerRequest& head,
                      const Parameters& query, std::string_view body) {
  if (head.method == "GET") {
    std::string out = "[";
    for (const Fault& fault : context.faults.list()) {
      out += (out.size() > 1 ? ",\n" : "") + to_json(fault);
    }
    return json_response(out + "]\n");
  }
  if (head.method == "DELETE") {
    if (find_parameter(query, "id") == nullptr) {
      context.faults.clear();
    } else if (!context.faults.remove(number_parameter(query, "id", 0))) {
      return json_error(404, "no such fault");
    }
    return json_response("{}\n");
  }
  if (head.method != "POST") return json_error(405, "GET, POST or DELETE");
  auto fault = parse_fault(body);
  if (!fault) return json_error(400, fault.error().message);
  if (fault->action == FaultAction::Refuse) {
    context.refuse_connections(fault->duration);
    return json_response("{\"id\":0}\n");
  }
  const auto id = context.faults.add(*std::move(fault));
  if (!id) return json_error(429, id.error().message);
  return json_response(fmt::format("{{\"id\":{}}}\n", *id));
}

ServerResponse requests(const AdminContext& context, const ServerRequest& head,
                        const Parameters& query) {
  if (head.method == "DELETE") {
    context.requests.clear();
    return json_response("{}\n");
  }
  if (head.method != "GET") return json_error(405, "GET or DELETE");
  return json_response(
      context.requests.to_json(number_parameter(query, "limit", RequestLog::kEntriesMax)));
}

ServerResponse credentials(const AdminContext& context, const ServerRequest& head,
                           std::string_view body) {
  if (head.method != "POST") return json_error(405, "POST");
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  int64_t seconds = -1;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
      root["lifetime_seconds"].get(seconds) != simdjson::SUCCESS || seconds < 0 ||
      seconds > kLifetimeMax) {
    return json_error(400, "{\"lifetime_seconds\": N} with N from 0 (as requested) to 604800");
  }
  context.identity.lifetime_override.store(seconds, std::memory_order_relaxed);
  return json_response("{}\n");
}

// The lines of a stream, as RecordsStore keeps them.
ServerResponse records(const AdminContext& context, const Parameters& query) {
  const std::string* service = find_parameter(query, "service");
  const std::string* stream = find_parameter(query, "stream");
  if (service == nullptr || stream == nullptr || (*service != "firehose" && *service != "kinesis"))
    return json_error(400, "service=firehose or kinesis, and stream=NAME");
  const auto lines = context.records.read(
      *service == "firehose" ? RecordsService::Firehose : RecordsService::Kinesis, *stream,
      number_parameter(query, "from", 0), number_parameter(query, "limit", kRecordsShown));
  if (!lines) return json_error(lines.error().status == 500 ? 500 : 404, lines.error().message);
  std::string out;
  for (const std::string& line : *lines) out.append(line) += '\n';
  return {
      .status = 200, .headers = {{"Content-Type", "application/x-ndjson"}}, .body = std::move(out)};
}

}  // namespace

ServerResponse run_admin_request(const AdminContext& context, const ServerRequest& head,
                                 const Parameters& query, std::string_view body) {
  const std::string_view what = head.path().substr(kAdminPrefix.size());
  if (what == "health") {
    return json_response(
        fmt::format("{{\"status\":\"ok\",\"version\":\"{}\"}}\n", NOROSHI_VERSION));
  }
  if (what == "summary") return summary(context);
  if (what == "faults") return faults(context, head, query, body);
  if (what == "requests") return requests(context, head, query);
  if (what == "records") return records(context, query);
  if (what == "credentials") return credentials(context, head, body);
  return json_error(404, "health, summary, requests, records, faults and credentials are here");
}

}  // namespace noroshi::localaws
