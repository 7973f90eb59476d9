#include "filter/content_modifier/content_modifier.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/regex.h"
#include "config/values.h"
#include "filter/chunk_rewriter.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {

const OptionTable<ContentModifierOptions>& content_modifier_option_table() {
  using O = ContentModifierOptions;
  static const auto table =
      OptionTable<O>("content_modifier",
                     "One action on one key of a record: Fluent Bit's processor.")
          .choice(
              "action", &O::action, "",
              {"insert", "upsert", "delete", "rename", "hash", "extract", "convert"},
              "insert: sets the key if the record has none; upsert: sets it; delete; rename: to "
              "`value`; hash: the text's SHA-256 in its place; extract: the named groups of "
              "`pattern` become fields; convert: to `converted_type`.")
          .option("context", &O::context, "body",
                  "Where: `body` (or message, record), or `metadata` (or attributes).")
          .required("key", &O::key, "The key.")
          .option("value", &O::value, "What insert and upsert set, or the new name for rename.")
          .option("pattern", &O::pattern, "Regular expression with named groups, for extract.")
          .choice("converted_type", &O::converted_type, "", {"string", "boolean", "int", "double"},
                  "What convert makes of the value.");
  return table;
}

namespace {

struct Plan {
  std::string action = {};
  bool metadata = false;
  std::string key = {};
  std::string value = {};  // MessagePack, or the new name of rename
  std::optional<Regex> pattern = {};
  std::string type = {};
};

// The value as text: a string as it is, everything else as JSON.
std::string text_of(std::string_view value) {
  std::string text;
  append_value_text(text, value);
  return text;
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

class ContentModifierFilter final : public Filter {
 public:
  explicit ContentModifierFilter(Plan plan) : plan_(std::move(plan)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    rewriter_.begin(chunk);
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      const std::string_view metadata = chunk.view().metadata(entry);
      changed_.clear();
      if (!change(plan_.metadata ? metadata : record, changed_)) {
        rewriter_.keep(entry);
        continue;
      }
      rewriter_.begin_new_record(plan_.metadata ? std::string_view(changed_) : metadata)
          .append(plan_.metadata ? record : std::string_view(changed_));
      rewriter_.end_record(entry.time);
    }
    rewriter_.finish();
  }

 private:
  // Appends the changed map; false: it stays as it is.
  bool change(std::string_view map, std::string& out) {
    MsgpackWriter writer(out);
    const size_t begin = writer.begin_map();
    uint32_t pairs = 0;
    bool found = false;
    std::string extracted;  // the text of the key, for extract
    if (!map.empty()) {
      MapPairs walk(map);
      for (MapPair pair; walk.next(pair);) {
        const bool ours = pair.name.data() != nullptr && pair.name == plan_.key;
        found = found || ours;
        if (ours && plan_.action == "insert") return false;
        if (ours && (plan_.action == "delete" || plan_.action == "upsert")) continue;
        if (plan_.action == "rename" && !ours && pair.name == new_name()) continue;
        ++pairs;
        if (ours)
          write_changed(pair, writer, extracted);
        else
          writer.raw(pair.bytes());
      }
      if (!walk.ok()) return false;
    }
    if (plan_.action == "insert" || plan_.action == "upsert") {
      writer.string(plan_.key);
      writer.raw(plan_.value);
      ++pairs;
    } else if (!found) {
      return false;
    } else if (plan_.action == "extract" && !add_groups(extracted, map, writer, pairs)) {
      return false;
    }
    writer.end_map(begin, pairs);
    return true;
  }

  void write_changed(const MapPair& pair, MsgpackWriter& writer, std::string& extracted) const {
    if (plan_.action == "rename") {
      writer.string(new_name());
      writer.raw(pair.value);
      return;
    }
    writer.raw(pair.key);
    if (plan_.action == "hash") {
      writer.string(sha256_hex(text_of(pair.value)));
    } else if (plan_.action == "convert") {
      write_converted(pair.value, writer);
    } else {
      extracted = text_of(pair.value);
      writer.raw(pair.value);
    }
  }

  // A value that cannot be converted stays as it is.
  void write_converted(std::string_view value, MsgpackWriter& writer) const {
    const std::string text = text_of(value);
    if (plan_.type == "string") return writer.string(text);
    if (plan_.type == "boolean") {
      if (const auto boolean = parse_boolean(text)) return writer.boolean(*boolean);
    } else if (const auto integer = parse_integer(text)) {
      return plan_.type == "int" ? writer.integer(*integer)
                                 : writer.number(static_cast<double>(*integer));
    } else if (const auto number = parse_double(text)) {
      constexpr double kIntMax = 9.2e18;
      if (plan_.type == "double") return writer.number(*number);
      if (*number > -kIntMax && *number < kIntMax)
        return writer.integer(static_cast<int64_t>(*number));
    }
    writer.raw(value);
  }

  // The groups that matched, where the record has no such key yet.
  bool add_groups(const std::string& text, std::string_view map, MsgpackWriter& writer,
                  uint32_t& pairs) {
    if (plan_.pattern->search(text, match_) != RegexOutcome::Match) return false;
    bool any = false;
    for (const auto& [name, group] : plan_.pattern->names()) {
      const std::string_view value = match_[group];
      if (value.data() == nullptr || find_key(map, name)) continue;
      writer.string(name);
      writer.string(value);
      ++pairs;
      any = true;
    }
    return any;
  }

  [[nodiscard]] const std::string& new_name() const { return plan_.value; }

  const Plan plan_;
  RegexMatch match_;
  ChunkRewriter rewriter_;
  std::string changed_;
};

bool set_context(const LocatedText& context, Plan& plan, Diagnostics& diagnostics) {
  const std::string name = to_lower(trim(context.text));
  if (name == "body" || name == "message" || name == "record") return true;
  plan.metadata = name == "metadata" || name == "attributes";
  if (plan.metadata) return true;
  Diagnostic& error =
      diagnostics.error(context.where, fmt::format("there is no context \"{}\"", name));
  if (name.starts_with("otel_"))
    error.help(
        "what OpenTelemetry says of a group of records stands in each record's metadata "
        "here: use the context metadata");
  else
    error.help("contexts are body and metadata");
  return false;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const ContentModifierOptions options =
      content_modifier_option_table().parse(section, diagnostics);
  Plan plan{.action = options.action, .key = options.key.text, .type = options.converted_type};
  const auto needs = [&](bool given, std::string_view option) {
    if (given) return;
    diagnostics.error(section.where_of("action"),
                      fmt::format("the action {} needs {}", plan.action, option));
  };
  if (plan.action.empty() && diagnostics.error_count() == errors_before) {
    diagnostics.error(section.where, "content_modifier has no action")
        .help("action: insert, upsert, delete, rename, hash, extract or convert");
  }
  set_context(options.context, plan, diagnostics);
  if (plan.action == "insert" || plan.action == "upsert") {
    needs(section.find("value") != nullptr, "value");
    MsgpackWriter(plan.value).string(options.value.text);
  } else if (plan.action == "rename") {
    needs(!options.value.text.empty(), "value, the new name");
    plan.value = options.value.text;
  } else if (plan.action == "extract") {
    needs(!options.pattern.text.empty(), "pattern");
    Result<Regex> pattern = Regex::compile(options.pattern.text);
    if (!pattern)
      diagnostics.error(options.pattern.where, pattern.error().message);
    else if (pattern->names().empty() && !options.pattern.text.empty())
      diagnostics.error(options.pattern.where, "this pattern has no named group: write (?<name>…)");
    else
      plan.pattern.emplace(*std::move(pattern));
  } else if (plan.action == "convert") {
    needs(!plan.type.empty(), "converted_type");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  made.description =
      fmt::format("{} {}{}", plan.action, plan.key, plan.metadata ? " of the metadata" : "");
  if (!plan.metadata && (plan.action == "delete" || plan.action == "rename"))
    made.consumed_keys.push_back(plan.key);
  made.filter = std::make_unique<ContentModifierFilter>(std::move(plan));
  return made;
}

}  // namespace

const FilterPlugin kContentModifierFilter = {
    .name = "content_modifier",
    .summary = "One action on one key of a record: Fluent Bit's processor.",
    .options = [] { return content_modifier_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
