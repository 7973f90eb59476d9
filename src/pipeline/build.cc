// Building a pipeline from a document. Order matters: inputs are made and bound before anything
// slow, because a client that finds no socket loses its first lines. Only what they need comes
// earlier: parsers (milliseconds) and the journal's place. Filters, the journal and the outputs
// follow. Every problem is collected; only when there is none does a pipeline come out.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/fingerprint.h"
#include "config/common_options.h"
#include "config/nearest_name.h"
#include "config/parse_config.h"
#include "filter/partial_message/partial_message.h"
#include "net/listener_registry.h"
#include "parser/parser_registry.h"
#include "pipeline/journal_location.h"
#include "pipeline/plugin_lookup.h"
#include "pipeline/reload.h"
#include "pipeline/route_plan.h"
#include "pipeline/routes.h"
#include "pipeline/running.h"
#include "pipeline/traps.h"

namespace noroshi {
namespace {

// Of the tcp input that the ECS agent generates for `nc 127.0.0.1 8877` in health checks.
constexpr std::string_view kHealthCheckTag = "firelens-healthcheck";

std::optional<Matching> compile_match(const LocatedText& match, const LocatedText& match_regex,
                                      const Section& section, bool everything_by_default,
                                      Diagnostics& diagnostics) {
  Matching matching;
  if (!match_regex.text.empty()) {
    Result<Regex> regex = Regex::compile(match_regex.text);
    if (!regex) {
      diagnostics.error(match_regex.where, "Match_Regex: " + regex.error().message);
      return std::nullopt;
    }
    matching.regex = *std::move(regex);
    matching.text = "/" + match_regex.text + "/";
  }
  if (!match.text.empty()) {
    matching.patterns.emplace_back(match.text);
    matching.text += (matching.text.empty() ? "" : " or ") + match.text;
  }
  if (matching.text.empty() && everything_by_default) {
    matching.patterns.emplace_back("*");
    matching.text = "*";
  }
  if (matching.text.empty()) {
    diagnostics
        .error(section.where, fmt::format("this {} has no Match: no record would reach it",
                                          to_string(section.kind)))
        .help(
            "add \"Match *\" for all records, or a pattern of tags such as \"Match "
            "backend-firelens*\"");
    return std::nullopt;
  }
  return matching;
}

// "Grep level ERROR,CRITICAL,FATAL; Level_Min warn"; empty without conditions.
std::string condition_for_people(const OutputCommon& common) {
  std::string text;
  for (const LocatedText& grep : common.grep)
    text += (text.empty() ? "Grep " : "; Grep ") + grep.text;
  if (!common.level_min.text.empty())
    text += (text.empty() ? "Level_Min " : "; Level_Min ") + common.level_min.text;
  return text;
}

}  // namespace

class PipelineBuilder {
 public:
  // `old`: a pipeline that runs and shall be replaced (reload.cc); null for the first.
  PipelineBuilder(const Document& document, const BuildOptions& options, Diagnostics& diagnostics,
                  Pipeline* old = nullptr)
      : document_(document),
        options_(options),
        diagnostics_(diagnostics),
        old_(old),
        pipeline_(new Pipeline()),
        running_(*(pipeline_->running_ = std::make_shared<Pipeline::Running>())) {}

  std::unique_ptr<Pipeline> build() {
    pipeline_->service_ = parse_service(document_, diagnostics_, options_.environment);
    read_parsers();
    find_place();
    make_inputs();
    bind_inputs();
    make_filters();
    open_journal();
    make_outputs();
    running_.input_routing = route_plan_.resolve(pipeline_->routes_, diagnostics_);
    warn_of_sections_without_effect(document_, diagnostics_);
    if (diagnostics_.has_errors()) return nullptr;
    if (old_ != nullptr) PipelineReload::match(*old_, running_, filters_, outputs_);
    make_chain();
    publish();
    return std::move(pipeline_);
  }

 private:
  void publish() {
    const WriterLock lock(pipeline_->instances_mutex_);
    pipeline_->inputs_ = std::move(inputs_);
    pipeline_->filters_ = std::move(filters_);
    pipeline_->outputs_ = std::move(outputs_);
  }

  void make_inputs() {
    const std::vector<const Section*> sections = document_.find_all(SectionKind::Input);
    std::map<std::string, int> numbers;
    for (const Section* section : sections) {
      const InputPlugin* plugin = find_plugin(options_.plugins.inputs, *section, diagnostics_);
      const InputCommon common = parse_input_common(*section, diagnostics_);
      const std::string name = instance_name(section->plugin(), common.alias, input_number_++);
      note_log_level("input:" + name, common.log_level);
      const int number = numbers[section->plugin()]++;
      std::vector<PlannedRoute> routes = read_routes(*section, name, diagnostics_);
      // What an input with a mistake would have been tagged nobody knows.
      tags_known_ = tags_known_ && plugin != nullptr;
      if (plugin == nullptr || !common.active) continue;
      InputContext context{.parsers = running_.parsers,
                           .listeners = running_.listeners,
                           .environment = lookup(),
                           .instance_name = name,
                           .state_directory = location_.place,
                           .metrics = shown_metrics()};
      std::optional<MadeInput> made = plugin->make(*section, context, diagnostics_);
      tags_known_ = tags_known_ && made;
      if (!made) continue;
      has_forward_ = has_forward_ || plugin->name == "forward";
      // The plugin's number among its like, so that another input more or less changes nothing.
      const bool routed = !routes.empty();
      route_plan_.add_input(
          common.alias.empty() ? fmt::format("{}.{}", section->plugin(), number) : common.alias,
          std::move(routes));
      if (routed) {
        // Routed by its routes: its tag reaches no output.
      } else if (common.tag.text.empty()) {
        tags_.push_back(name);
      } else {
        tags_.push_back(common.tag.text);
      }
      tags_known_ = tags_known_ && !made->other_tags;
      auto metrics = std::make_unique<InputMetrics>();
      metrics->name = name;
      input_sections_.push_back(section);
      inputs_.push_back({.metrics = std::move(metrics),
                         .plugin = std::string(plugin->name),
                         .description = std::move(made->description),
                         .section = section_text(*section),
                         .uses = pipeline_->running_,
                         .name = name,
                         .input = std::move(made->input)});
    }
    if (sections.empty()) diagnostics_.warning({}, "there is no [INPUT]: nothing will be received");
  }

  void bind_inputs() {
    for (const ListenerConflict& conflict : running_.listeners.resolve()) {
      for (InputInstance& input : inputs_) {
        if (conflict.claim.owner.starts_with(input.metrics->name))
          input.covered_by = conflict.winner.owner;
      }
      if (conflict.same_kind) {
        diagnostics_
            .warning(where_of_input(conflict.claim.owner),
                     fmt::format("{} and {} both listen on port {}: one listener on {} serves both",
                                 conflict.claim.owner, conflict.winner.owner, conflict.claim.port,
                                 conflict.winner.host))
            .help(fmt::format("the options of {} hold for it", conflict.winner.owner));
        continue;
      }
      diagnostics_.error(
          where_of_input(conflict.claim.owner),
          fmt::format("{} and {} want the same port {}: one speaks {}, the other {}",
                      conflict.claim.owner, conflict.winner.owner, conflict.claim.port,
                      conflict.claim.kind, conflict.winner.kind));
    }
    if (old_ != nullptr) PipelineReload::match_inputs(*old_, running_.parsers_fingerprint, inputs_);
    for (size_t i = 0; options_.bind && i < inputs_.size(); ++i) {
      Input* input = inputs_[i].input.get();
      if (input == nullptr) continue;  // the running one goes on
      const Status bound =
          old_ == nullptr ? input->bind(running_.loop) : PipelineReload::bind(*old_, *input);
      if (bound) continue;
      // A check beside the running router finds its own ports taken: worth a word, not a failure.
      if (options_.check_only && bound.error().code == ErrorCode::Unavailable) {
        diagnostics_.warning(input_sections_[i]->where, bound.error().message);
      } else {
        diagnostics_.error(input_sections_[i]->where, bound.error().message);
      }
    }
  }

  SourceLocation where_of_input(std::string_view owner) const {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (owner.starts_with(inputs_[i].metrics->name)) return input_sections_[i]->where;
    }
    return {};
  }

  void read_multiline_parsers(const Document& document) {
    for (const Section* section : document.find_all(SectionKind::MultilineParser)) {
      running_.parsers.multiline().add(*section, diagnostics_);
      parsers_text_.add(section_text(*section));
    }
  }

  void read_parsers() {
    const auto read = [&](const std::string& path) {
      ClassicOptions classic{.environment = options_.environment,
                             .working_directory = {},
                             .variables = document_.environment};
      parser_files_.push_back(parse_config_file(path, diagnostics_, classic));
      for (const Section* section : parser_files_.back().find_all(SectionKind::Parser)) {
        add_parser(*section);
      }
      read_multiline_parsers(parser_files_.back());
    };
    running_.parsers.multiline().set_message_bytes_max(
        pipeline_->service_.multiline_buffer_limit.bytes);
    for (const std::string& path : options_.parsers_files) read(path);
    for (const LocatedText& file : pipeline_->service_.parsers_files) {
      const std::string path = parsers_file_path(file.text);
      if (std::error_code error; !std::filesystem::exists(path, error)) {
        // What Fluent Bit ships under this name is built in.
        if (std::filesystem::path(path).filename() == "parsers.conf") {
          diagnostics_.warning(
              file.where, fmt::format("there is no parsers file {}: only the parsers Fluent "
                                      "Bit ships in parsers.conf are known, which are built in",
                                      path));
          continue;
        }
        diagnostics_.error(file.where, fmt::format("there is no parsers file {}", path))
            .help(
                "relative paths are looked for in the working directory and beside the main file");
        continue;
      }
      read(path);
    }
    for (const Section* section : document_.find_all(SectionKind::Parser)) add_parser(*section);
    read_multiline_parsers(document_);
    parsers_text_.add(std::to_string(pipeline_->service_.multiline_buffer_limit.bytes));
    running_.parsers_fingerprint = parsers_text_.value();
  }

  void add_parser(const Section& section) {
    running_.parsers.add(section, diagnostics_);
    parsers_text_.add(section_text(section));
  }

  // As Fluent Bit: the path as it is, else beside the main configuration file.
  std::string parsers_file_path(const std::string& path) const {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored) || document_.files.empty()) return path;
    const std::filesystem::path beside =
        std::filesystem::path(document_.files.front()->name()).parent_path() / path;
    return std::filesystem::exists(beside, ignored) ? beside.string() : path;
  }

  void make_filters() {
    const std::vector<const Section*> sections = document_.find_all(SectionKind::Filter);
    const bool user_joins =
        std::any_of(sections.begin(), sections.end(),
                    [](const Section* section) { return section->plugin() == "partial_message"; });
    if (has_forward_ && !user_joins) {
      // Docker cuts lines at 16 KiB; they are joined before any filter sees them.
      auto metrics = std::make_unique<FilterMetrics>();
      metrics->name = "partial_message";
      running_.stages.push_back({.match = {TagPattern("*")},
                                 .match_regex = {},
                                 .filter = make_partial_message({}, system_clock()),
                                 .metrics = metrics.get()});
      filters_.push_back({std::move(metrics), "partial_message",
                          "joins the 16 KiB pieces of Docker's long lines (built in)", "*",
                          "built in", nullptr, ""});
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      for (const Section* processor : find_processors(*input_sections_[i], diagnostics_)) {
        make_processor(*processor, "input " + inputs_[i].metrics->name,
                       {.input = static_cast<uint16_t>(i)});
      }
    }
    for (const Section* section : sections) {
      const FilterCommon common = parse_filter_common(*section, diagnostics_);
      std::optional<Matching> matching =
          compile_match(common.match, common.match_regex, *section, false, diagnostics_);
      const std::string text = matching ? matching->text : "";
      FilterStage stage;
      if (matching) {
        if (section->plugin() == "rewrite_tag") {
          tags_known_ = false;
          warn_of_rewrite_loop(*section, *matching, diagnostics_);
        }
        stage.match = std::move(matching->patterns);
        stage.match_regex = std::move(matching->regex);
      }
      make_stage(*section, common, std::move(stage), text, "");
    }
  }

  void make_processor(const Section& section, const std::string& owner, FilterStage stage) {
    const std::string plugin = section.plugin();
    if (plugin == "opentelemetry_envelope") {
      diagnostics_.warning(section.where_of("name"),
                           "opentelemetry_envelope has no effect: output opentelemetry makes the "
                           "envelope itself");
      return;
    }
    if (plugin == "rewrite_tag") {
      diagnostics_
          .error(section.where_of("name"),
                 "rewrite_tag cannot be a processor: it sends records on "
                 "under another tag")
          .help("put it under filters");
      return;
    }
    make_stage(section, parse_filter_common(section, diagnostics_), std::move(stage), "", owner);
  }

  // Makes the filter of a section and adds it to the chain. `owner`: of a processor.
  void make_stage(const Section& section, const FilterCommon& common, FilterStage stage,
                  std::string match, const std::string& owner) {
    const FilterPlugin* plugin = find_plugin(options_.plugins.filters, section, diagnostics_);
    const std::string name = instance_name(section.plugin(), common.alias, filter_number_++);
    note_log_level("filter:" + name, common.log_level);
    std::optional<RecordRules> rules;
    if (const Section* condition = find_condition(section)) {
      rules = compile_rules(*condition, diagnostics_);
      if (!rules) return;
    }
    if (plugin == nullptr || !common.active) return;
    FilterContext context{.parsers = running_.parsers,
                          .instance_name = name,
                          .config_directory = document_.main_directory,
                          .aws = options_.aws};
    std::optional<MadeFilter> made = plugin->make(section, context, diagnostics_);
    if (!made) return;
    auto metrics = std::make_unique<FilterMetrics>();
    metrics->name = name;
    metrics->counters = std::move(made->counters);
    metrics->source = std::move(made->metrics);
    if (owner.empty()) {
      for (const std::string& key : made->consumed_keys)
        consumed_keys_.push_back({key, section.where, match});
    }
    std::string description = std::move(made->description);
    if (rules) {
      description += fmt::format(" (where {})", rules->text());
      made->filter = make_conditional(*std::move(rules), std::move(made->filter));
    }
    stage.filter = std::move(made->filter);
    stage.metrics = metrics.get();
    running_.stages.push_back(std::move(stage));
    filters_.push_back({std::move(metrics), std::string(plugin->name), std::move(description),
                        std::move(match), section_text(section), pipeline_->running_, owner});
  }

  void find_place() {
    location_ = find_journal_location(document_, pipeline_->service_, options_.environment,
                                      options_.check_only || old_ != nullptr, diagnostics_);
    if (old_ != nullptr)
      location_ = PipelineReload::location(*old_, location_, pipeline_->service_, diagnostics_);
    running_.location = location_;
  }

  void open_journal() {
    JournalOptions journal_settings = journal_options(location_, pipeline_->service_);
    journal_settings.on_drop = [pipeline = pipeline_.get()](const EntryHead& head) {
      pipeline->note_dropped(head);
    };
    pipeline_->journal_description_ = fmt::format(
        "{} ({}), at most {}", location_.place.empty() ? "in memory" : location_.journal().string(),
        location_.why, to_string(ByteSize{journal_settings.bytes_max}));
    if (options_.check_only || old_ != nullptr || diagnostics_.has_errors()) return;
    Result<std::unique_ptr<Journal>> journal = Journal::open(journal_settings);
    if (!journal) {
      diagnostics_.error(pipeline_->service_.storage_path_where, journal.error().message);
      return;
    }
    pipeline_->journal_ = *std::move(journal);
  }

  void make_outputs() {
    const std::vector<const Section*> sections = document_.find_all(SectionKind::Output);
    const bool only_pair =
        sections.size() == 1 && document_.find_all(SectionKind::Input).size() == 1;
    for (const Section* section : sections) {
      const OutputCommon common = parse_output_common(*section, diagnostics_);
      const std::string name = instance_name(section->plugin(), common.alias, output_number_++);
      note_log_level("output:" + name, common.log_level);
      if (sends_to_itself(*section, document_, own_address_, diagnostics_)) continue;
      const OutputPlugin* plugin = find_plugin(options_.plugins.outputs, *section, diagnostics_);
      const bool destination = route_plan_.add_output(common.alias, name, section->plugin());
      std::optional<Matching> matching = Matching{};
      if (!common.match.text.empty() || !common.match_regex.text.empty() || !destination) {
        matching =
            compile_match(common.match, common.match_regex, *section, only_pair, diagnostics_);
      }
      std::optional<RecordCondition> condition = compile_condition(common);
      if (plugin == nullptr || !common.active) continue;
      OutputContext context{
          .aws = options_.aws,
          .state_directory = location_.place,
          .journal_id = journal() ? to_string(journal()->id()) : std::string(32, '0'),
          .instance_name = name,
          .flush = pipeline_->service_.flush,
          .clock = system_clock(),
          .metrics = shown_metrics()};
      std::optional<MadeOutput> made = plugin->make(*section, context, diagnostics_);
      if (!made || !matching || !condition) continue;
      if (!made->takes_records) *matching = Matching{.patterns = {}, .regex = {}, .text = "none"};
      auto metrics = std::make_unique<OutputMetrics>();
      metrics->name = name;
      OutputInstance instance{
          .metrics = std::move(metrics),
          .plugin = std::string(plugin->name),
          .destination = std::move(made->destination),
          .match = matching->text,
          .condition = condition_for_people(common),
          .identity = common.alias.empty() ? made->output->identity() : common.alias,
          // Flush is part of how the plugin was made.
          .section = section_text(*section) +
                     std::to_string(pipeline_->service_.flush.value_or(Nanoseconds(-1)).count()),
          .name = name};
      instance.identity = bounded_key(instance.identity);
      while (!identities_.insert(instance.identity).second) {
        // Two outputs with one destination: what they select tells them apart, whatever their
        // order.
        instance.identity =
            bounded_key(instance.identity + "|" + instance.match + "|" + condition->text());
      }
      if (made->log_key)
        warn_of_consumed_log_key(*section, *made->log_key, consumed_keys_, diagnostics_);
      warn_of_retry_limit(*section, common, diagnostics_);
      if (tags_known_ && made->takes_records && !matching->text.empty())
        warn_of_no_records(*section, *matching, tags_, diagnostics_);
      pending_.push_back({std::move(made->output), common});
      const size_t index = running_.routes.size();
      route_plan_.output_is(index);
      const std::vector<const Section*> processors = find_processors(*section, diagnostics_);
      running_.routes.push_back({.output_identity = instance.identity,
                                 .match = std::move(matching->patterns),
                                 .match_regex = std::move(matching->regex),
                                 .condition = *std::move(condition),
                                 .processed = !processors.empty()});
      outputs_.push_back(std::move(instance));
      for (const Section* processor : processors)
        make_processor(*processor, "output " + name, {.output = index});
    }
    if (sections.empty())
      diagnostics_.warning({},
                           "there is no [OUTPUT]: records would be received and kept for nobody");
    leave_probes_to_null();
  }

  // ECS generates an input for its health checks and a null output for their tag. Users who write
  // "Match *" do not mean these.
  void leave_probes_to_null() {
    const auto matches_only = [&](const Route& route, auto&& wanted) {
      return !route.match_regex && route.match.size() == 1 && wanted(route.match.front().text());
    };
    const auto is_probe_tag = [](const std::string& text) { return text == kHealthCheckTag; };
    const auto is_everything = [](const std::string& text) {
      return !text.empty() && text.find_first_not_of('*') == std::string::npos;
    };
    bool claimed = false;
    for (size_t i = 0; i < outputs_.size(); ++i)
      claimed = claimed ||
                (outputs_[i].plugin == "null" && matches_only(running_.routes[i], is_probe_tag));
    if (!claimed) return;
    for (size_t i = 0; i < running_.routes.size(); ++i) {
      if (!matches_only(running_.routes[i], is_everything)) continue;
      running_.routes[i].except_tags.emplace_back(kHealthCheckTag);
      outputs_[i].match += fmt::format(" but {}", kHealthCheckTag);
    }
  }

  std::optional<RecordCondition> compile_condition(const OutputCommon& common) {
    RecordCondition condition;
    bool good = true;
    for (const LocatedText& grep : common.grep) {
      if (const Status added = condition.add_grep(grep.text); !added) {
        diagnostics_.error(grep.where, added.error().message)
            .help(
                "write KEY VALUE[,VALUE…] or KEY /regex/, as in \"Grep level "
                "ERROR,CRITICAL,FATAL\"");
        good = false;
      }
    }
    if (!common.level_min.text.empty()) {
      if (const Status set = condition.set_level_min(common.level_min.text); !set) {
        diagnostics_.error(common.level_min.where, set.error().message);
        good = false;
      }
    }
    if (!good) return std::nullopt;
    return condition;
  }

  void make_chain() {
    if (options_.check_only) return;
    running_.route_table.emplace(std::move(running_.routes), std::move(running_.input_routing));
    std::vector<RoutedOutput> outputs;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      OutputInstance& instance = outputs_[i];
      const OutputCommon& common = pending_[i].common;
      outputs.push_back({instance.metrics.get(), instance.arrivals});
      DeliverySettings settings{.instance = instance.name,
                                .identity = instance.identity,
                                .output_index = i,
                                .retry_limit = {},
                                .total_limit_bytes = common.storage_total_limit_size.bytes,
                                .dead_letter_directory = location_.dead_letters(),
                                .account = instance.account,
                                .arrivals = instance.arrivals};
      if (common.retry_limit && common.retry_limit->kind != RetryLimit::Kind::Unlimited) {
        settings.retry_limit = static_cast<uint32_t>(common.retry_limit->count);
      }
      instance.worker = std::make_unique<DeliveryWorker>(
          std::move(settings), std::move(pending_[i].output),
          std::shared_ptr<const RouteTable>(pipeline_->running_, &*running_.route_table),
          *journal(), *instance.metrics, system_clock());
    }
    std::vector<const InputMetrics*> inputs;
    for (const InputInstance& input : inputs_) inputs.push_back(input.metrics.get());
    running_.ingest = std::make_unique<Ingest>(
        old_ == nullptr ? running_.loop : old_->running_->loop, std::move(running_.stages),
        *running_.route_table, *journal(), std::move(inputs), std::move(outputs),
        pipeline_->service_.storage_when_full == WhenJournalFull::DropLeastSevere);
  }

  void note_log_level(std::string component, std::optional<LogLevel> level) {
    if (level) pipeline_->log_levels_.emplace(std::move(component), *level);
  }

  // "s3.1", counted over all instances of the kind, as Fluent Bit does; or the alias.
  static std::string instance_name(const std::string& plugin, const std::string& alias,
                                   int number) {
    return alias.empty() ? fmt::format("{}.{}", plugin.empty() ? "unnamed" : plugin, number)
                         : alias;
  }
  std::function<std::optional<std::string>(std::string_view)> lookup() const {
    return [environment = options_.environment](std::string_view name) {
      return environment(std::string(name));
    };
  }

  // A reload keeps the journal, and its plugins show the metrics of the pipeline that stays.
  Journal* journal() const { return (old_ == nullptr ? pipeline_.get() : old_)->journal_.get(); }
  const MetricsSource* shown_metrics() const {
    return (old_ == nullptr ? pipeline_.get() : old_)->metrics_.get();
  }

  struct Pending {
    std::unique_ptr<Output> output;
    OutputCommon common;
  };
  const Document& document_;
  const BuildOptions& options_;
  Diagnostics& diagnostics_;
  Pipeline* const old_;
  std::unique_ptr<Pipeline> pipeline_;
  Pipeline::Running& running_;
  const OwnAddress own_address_{options_.environment, options_.container_names};
  JournalLocation location_;
  // What the pipeline will have; destroyed in the order of ~Pipeline().
  std::vector<FilterInstance> filters_;
  std::vector<InputInstance> inputs_;
  std::vector<OutputInstance> outputs_;
  std::vector<const Section*> input_sections_;
  std::vector<Document> parser_files_;
  Fingerprint parsers_text_;
  std::vector<ConsumedKey> consumed_keys_;
  std::vector<Pending> pending_;
  RoutePlan route_plan_;  // its inputs are inputs_, its outputs running_.routes
  std::set<std::string> identities_;
  int input_number_ = 0, filter_number_ = 0, output_number_ = 0;
  bool has_forward_ = false;
  // Tags that records can have when they reach the outputs, as far as the configuration tells.
  std::vector<std::string> tags_;
  bool tags_known_ = true;
};

std::unique_ptr<Pipeline> Pipeline::build(const Document& document, const BuildOptions& options,
                                          Diagnostics& diagnostics) {
  return PipelineBuilder(document, options, diagnostics).build();
}

std::unique_ptr<Pipeline> PipelineReload::build(const Document& document,
                                                const BuildOptions& options,
                                                Diagnostics& diagnostics, Pipeline& old) {
  return PipelineBuilder(document, options, diagnostics, &old).build();
}

}  // namespace noroshi
