#include "pipeline/traps.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "config/values.h"

namespace noroshi {

bool Matching::matches(std::string_view tag) const {
  if (regex && regex->matches(tag)) return true;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const TagPattern& pattern) { return pattern.matches(tag); });
}

bool sends_to_itself(const Section& output, const Document& document, Diagnostics& diagnostics) {
  if (output.plugin() != "forward") return false;
  const std::string host =
      to_lower(output.value("host").empty() ? "127.0.0.1" : output.value("host"));
  const std::string_view port = output.value("port").empty() ? "24224" : output.value("port");
  // The names a task's containers know the router by; in awsvpc all of them are the task itself.
  const bool own_name = host == "localhost" || host == "::1" || host == "0.0.0.0" ||
                        host.starts_with("127.") || host == "log-router" || host == "log_router" ||
                        host == "firelens" || host == "fluent-bit";
  if (!own_name) return false;
  for (const Section* input : document.find_all(SectionKind::Input)) {
    if (input->plugin() != "forward") continue;
    const std::string_view own_port = input->value("port").empty() ? "24224" : input->value("port");
    if (own_port != port) continue;
    diagnostics
        .warning(
            output.where_of("host"),
            fmt::format(
                "this output would send every record back to this router ({}:{}): it is left out",
                host, port))
        .note("the router listens here", input->where)
        .help(
            "in an ECS task, give the application container the log driver awsfirelens without "
            "options; the outputs "
            "of this configuration do the work");
    return true;
  }
  return false;
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

}  // namespace noroshi
