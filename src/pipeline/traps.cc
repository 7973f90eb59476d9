#include "pipeline/traps.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "config/values.h"

namespace noroshi {

bool Matching::matches(std::string_view tag) const {
  if (regex && regex->matches(tag)) return true;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const TagPattern& pattern) { return pattern.matches(tag); });
}

namespace {

// Plugins that exist as input and output of one protocol, with the ports each takes by default.
struct Protocol {
  std::string_view plugin;
  std::string_view input_port, output_port;
};
constexpr Protocol kProtocols[] = {{"forward", "24224", "24224"},
                                   {"tcp", "5170", "5170"},
                                   {"http", "9880", "80"},
                                   {"opentelemetry", "4318", "80"},
                                   {"syslog", "5140", "514"}};

std::string_view value_or(const Section& section, std::string_view name,
                          std::string_view otherwise) {
  const std::string_view value = section.value(name);
  return value.empty() ? otherwise : value;
}

// Where the input gets what the output sends, or null.
const Section* own_input(const Section& output, const Document& document, const OwnAddress& own) {
  const std::string plugin = output.plugin();
  const Protocol* protocol =
      std::ranges::find_if(kProtocols, [&](const Protocol& one) { return one.plugin == plugin; });
  if (protocol == std::end(kProtocols)) return nullptr;
  const std::string_view path = output.value("unix_path");
  const std::string_view host = value_or(output, "host", "127.0.0.1");
  const std::string_view port = value_or(output, "port", protocol->output_port);
  for (const Section* input : document.find_all(SectionKind::Input)) {
    if (input->plugin() != plugin) continue;
    if (!path.empty()) {
      if (input->value("unix_path") == path) return input;
      continue;
    }
    // An input with a unix_path and no address does not listen on TCP.
    const bool on_tcp = input->value("unix_path").empty() || !input->value("listen").empty() ||
                        !input->value("port").empty();
    // The host last: knowing all our names may take the network.
    if (on_tcp && value_or(*input, "port", protocol->input_port) == port && own.is(host))
      return input;
  }
  return nullptr;
}

}  // namespace

bool sends_to_itself(const Section& output, const Document& document, const OwnAddress& own,
                     Diagnostics& diagnostics) {
  const Section* input = own_input(output, document, own);
  if (input == nullptr) return false;
  const std::string_view path = output.value("unix_path");
  const std::string target =
      !path.empty() ? std::string(path)
                    : fmt::format("{}{}{}", value_or(output, "host", "127.0.0.1"),
                                  output.value("port").empty() ? "" : ":", output.value("port"));
  diagnostics
      .warning(output.where_of("host"),
               fmt::format("this output would send every record back to this router ({}): it is "
                           "left out",
                           target))
      .note("the router listens here", input->where)
      .help(
          "in an ECS task, give the application container the log driver awsfirelens without "
          "options; the outputs of this configuration do the work");
  return true;
}

void warn_of_consumed_log_key(const Section& output, const std::string& log_key,
                              const std::vector<ConsumedKey>& consumed, Diagnostics& diagnostics) {
  for (const ConsumedKey& key : consumed) {
    if (key.key != log_key) continue;
    diagnostics
        .warning(
            output.where_of("log_key"),
            fmt::format("log_key {} is gone when records come here: an earlier filter consumes it",
                        log_key))
        .note(fmt::format("this filter replaces \"{}\" by the fields it holds (for tags {})",
                          log_key, key.match),
              key.where)
        .help(
            "records without it are sent whole, as JSON; remove log_key to say so, or set "
            "Preserve_Key On in the filter");
    return;
  }
}

void warn_of_retry_limit(const Section& output, const OutputCommon& common,
                         Diagnostics& diagnostics) {
  if (!common.retry_limit || common.retry_limit->kind == RetryLimit::Kind::Unlimited) return;
  const bool none = common.retry_limit->kind == RetryLimit::Kind::None;
  diagnostics
      .warning(output.where_of("retry_limit"),
               none ? "without retries any failed request loses its records for this destination"
                    : fmt::format("after {} {} records are lost for this destination: an "
                                  "outage of minutes is enough",
                                  common.retry_limit->count,
                                  common.retry_limit->count == 1 ? "retry" : "retries"))
      .help("leave Retry_Limit out: records then wait in the journal until they are delivered");
}

void warn_of_no_records(const Section& output, const Matching& matching,
                        const std::vector<std::string>& tags, Diagnostics& diagnostics) {
  if (std::any_of(tags.begin(), tags.end(),
                  [&](const std::string& tag) { return matching.matches(tag); }))
    return;
  if (tags.empty()) return;
  diagnostics
      .warning(output.where_of("match"),
               fmt::format("no record can reach this output: its Match is {}", matching.text))
      .help(fmt::format("the inputs give the tags: {}", fmt::join(tags, ", ")));
}

void warn_of_rewrite_loop(const Section& filter, const Matching& matching,
                          Diagnostics& diagnostics) {
  for (const Property* rule : filter.find_all("rule")) {
    for (const PropertyValue& value : rule->values) {
      // KEY REGEX NEW_TAG KEEP: the new tag is the last word but one.
      std::istringstream words(value.text);
      std::vector<std::string> parts;
      for (std::string word; words >> word;) parts.push_back(word);
      if (parts.size() < 4) continue;
      const std::string& tag = parts[parts.size() - 2];
      if (tag.find('$') != std::string::npos || !matching.matches(tag)) continue;
      diagnostics
          .warning(value.where,
                   fmt::format(
                       "records sent on as {} come back to this filter (Match {}): a loop if the "
                       "rule holds for them again",
                       tag, matching.text))
          .help("choose a new tag that Match does not select");
    }
  }
}

void warn_of_sections_without_effect(const Document& document, Diagnostics& diagnostics) {
  for (const Section* task : document.find_all(SectionKind::StreamTask)) {
    diagnostics.warning(task->where, "this has no effect: there is no stream processor")
        .help(
            "grep and rewrite_tag choose records; S3 with Athena, or CloudWatch Logs Insights, "
            "count and join them");
  }
  for (const Section* plugins : document.find_all(SectionKind::Plugins)) {
    for (const Property& path : plugins->properties) {
      const std::string name = std::filesystem::path(path.value()).filename().string();
      if (name == "firehose.so" || name == "cloudwatch.so" || name == "kinesis.so") continue;
      diagnostics.warning(path.where(), fmt::format("{} is not loaded: noroshi takes no shared "
                                                    "objects; only AWS's three are built in",
                                                    name));
    }
  }
  for (const Section* custom : document.find_all(SectionKind::Custom))
    diagnostics.warning(custom->where, "this has no effect: noroshi has no custom plugins");
}

}  // namespace noroshi
