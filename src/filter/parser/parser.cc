// The hot path of the specified pipeline: one walk over the record to find the text and the other
// pairs, JSON written straight into the new body, the other pairs copied behind it, one head fixed.
#include "filter/parser/parser.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/nearest_name.h"
#include "filter/chunk_rewriter.h"
#include "parser/parser_registry.h"
#include "record/map_pairs.h"
#include "record/record_accessor.h"

namespace noroshi {

const OptionTable<ParserFilterOptions>& parser_filter_option_table() {
  using O = ParserFilterOptions;
  static const auto table =
      OptionTable<O>("parser", "Replaces a text field by the fields a parser finds in it.")
          .required("key_name", &O::key_name, "The field to parse: a key, or $a['b'].")
          .option("parser", &O::parsers,
                  "Name of a parser; several lines are tried in their order, the first that fits "
                  "wins.")
          .option("reserve_data", &O::reserve_data, "off",
                  "Keep the record's other fields, behind the parsed ones.")
          .option("preserve_key", &O::preserve_key, "off", "Keep the parsed field itself too.")
          .ignored("unescape_key", "Deprecated in Fluent Bit; has no effect there either.");
  return table;
}

namespace {

// Fields of a record that stand beside the parsed one: each of a million would cost 64 bytes, and
// a comparison with every parsed name.
constexpr size_t kKeptPairsMax = 256;

class ParserFilter final : public Filter {
 public:
  ParserFilter(ParserFilterOptions options, RecordAccessor key,
               std::vector<std::unique_ptr<Parser>> parsers)
      : options_(std::move(options)), key_(std::move(key)), parsers_(std::move(parsers)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    rewriter_.begin(chunk);
    bool changed = false;
    for (const RecordEntry& entry : chunk.records) {
      if (rewrite(chunk.view().record(entry), entry))
        changed = true;
      else
        rewriter_.keep(entry);
    }
    if (changed) rewriter_.finish();
  }

 private:
  // False: the record stays as it is.
  bool rewrite(std::string_view record, const RecordEntry& entry) {
    kept_.clear();
    std::string_view text;
    if (key_.nested()) {
      // The text stays where it is, inside its map, as with Fluent Bit.
      const auto value = key_.find(record);
      if (!value) return false;
      text = MsgpackReader(*value).read_binary().value_or(std::string_view());
      if (options_.reserve_data && !collect(record, nullptr)) return false;
    } else {
      if (!collect(record, &text)) return false;
    }
    if (text.data() == nullptr) return false;

    std::string& body = rewriter_.begin_record(entry);
    const size_t map = rewriter_.map_begin();
    std::optional<Timestamp> time;
    for (const auto& parser : parsers_) {
      auto pairs = parser->append_map(text, body, time);
      if (!pairs) continue;
      if (!kept_.empty()) {
        drop_names_of(std::string_view(body).substr(map), parser->key_positions());
        for (const MapPair& pair : kept_) body.append(pair.bytes());
        *pairs += static_cast<uint32_t>(kept_.size());
        set_map_pairs(body, map, *pairs);
      }
      rewriter_.end_record(time.value_or(entry.time));
      return true;
    }
    rewriter_.abandon_record();
    return false;
  }

  // Fills kept_ with the pairs that will stand behind the parsed ones, and `text` with the text of
  // the key; its data() stays null if there is none.
  bool collect(std::string_view record, std::string_view* text) {
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      bool keep = options_.reserve_data;
      if (text != nullptr && text->data() == nullptr && pair.text.data() != nullptr &&
          pair.name == key_.key() && pair.name.data() != nullptr) {
        *text = pair.text;
        keep = options_.preserve_key;
      }
      if (!keep) continue;
      if (kept_.size() == kKeptPairsMax) return false;
      kept_.push_back(pair);
    }
    return pairs.ok();
  }

  // A key both parsed and kept would stand there twice; what was parsed is the application's own
  // word.
  void drop_names_of(std::string_view parsed, std::span<const uint32_t> key_positions) {
    uint64_t lengths = 0;
    for (const MapPair& pair : kept_) lengths |= uint64_t{1} << (pair.name.size() & 63);
    const auto drop = [&](std::string_view name) {
      if ((lengths >> (name.size() & 63) & 1) == 0) return;
      std::erase_if(kept_, [&](const MapPair& kept) {
        return kept.name.data() != nullptr && kept.name == name;
      });
    };
    if (!key_positions.empty()) {
      const size_t head = map_head_size(parsed);
      for (const uint32_t position : key_positions) drop(text_at(parsed, head + position));
      return;
    }
    MapPairs pairs(parsed);
    for (MapPair pair; pairs.next(pair);) {
      if (pair.name.data() != nullptr) drop(pair.name);
    }
  }

  const ParserFilterOptions options_;
  const RecordAccessor key_;
  const std::vector<std::unique_ptr<Parser>> parsers_;
  ChunkRewriter rewriter_;
  std::vector<MapPair> kept_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  ParserFilterOptions options = parser_filter_option_table().parse(section, diagnostics);
  std::vector<std::unique_ptr<Parser>> parsers;
  std::vector<std::string> names;
  for (const LocatedText& name : options.parsers) {
    if (!context.parsers.contains(name.text)) {
      const auto known = context.parsers.names();
      const std::string near = nearest_name(name.text, known);
      diagnostics.error(name.where, fmt::format("there is no parser named \"{}\"", name.text))
          .help(near.empty() ? fmt::format("define it in a [PARSER] section; known are {}",
                                           fmt::join(known, ", "))
                             : fmt::format("did you mean \"{}\"?", near));
      continue;
    }
    auto parser = context.parsers.make(name.text);
    if (!parser)
      diagnostics.error(name.where, parser.error().message);
    else
      parsers.push_back(std::move(*parser));
    names.push_back(name.text);
  }
  if (options.parsers.empty()) {
    diagnostics.error(section.where, "filter parser needs a parser")
        .help("for JSON lines: Parser json");
  }
  auto key = RecordAccessor::parse(options.key_name.text);
  if (!key && !options.key_name.text.empty())
    diagnostics.error(options.key_name.where, key.error().message);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  MadeFilter made;
  made.description =
      fmt::format("{} parsed as {}; {}", options.key_name.text, fmt::join(names, ", else "),
                  options.reserve_data ? "other fields kept" : "other fields dropped");
  if (!key->nested() && !options.preserve_key) made.consumed_keys.push_back(key->key());
  made.filter =
      std::make_unique<ParserFilter>(std::move(options), std::move(*key), std::move(parsers));
  return made;
}

}  // namespace

const FilterPlugin kParserFilter = {
    .name = "parser",
    .summary = "Replaces a text field by the fields a parser finds in it.",
    .options = [] { return parser_filter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
