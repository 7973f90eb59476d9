#include "filter/nest/nest.h"

#include <fmt/format.h>

#include "filter/chunk_rewriter.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<NestOptions>& nest_option_table() {
  using O = NestOptions;
  static const auto table =
      OptionTable<O>("nest", "Puts fields into a map of their own, or takes them out of one.")
          .choice("operation", &O::operation, "",
                  {{"nest", O::Operation::Nest}, {"lift", O::Operation::Lift}},
                  "nest: put into a map; lift: take out of a map. Required.")
          .option("wildcard", &O::wildcards,
                  "nest: the fields, by key; `PREFIX*` for all that begin like this.")
          .option("nest_under", &O::nest_under, "nest: the key of the map.")
          .option("nested_under", &O::nested_under, "lift: the key of the map.")
          .option("add_prefix", &O::add_prefix, "Put in front of the keys that move.")
          .alias("prefix_with")
          .option("remove_prefix", &O::remove_prefix,
                  "Taken from the beginning of the keys that move, where it is there.");
  return table;
}

namespace {

struct KeyPattern {
  std::string text;
  bool prefix = false;

  [[nodiscard]] bool matches(std::string_view name) const {
    return name.data() != nullptr && (prefix ? name.starts_with(text) : name == text);
  }
};

bool is_map(std::string_view value) {
  const auto type = MsgpackReader(value).peek();
  return type && *type == MsgpackType::Map;
}

// How the keys that move are renamed.
struct Renaming {
  std::string add, remove;

  void append(std::string& out, const MapPair& pair) const {
    if (pair.name.data() == nullptr || (add.empty() && !pair.name.starts_with(remove))) {
      out.append(pair.key);
    } else {
      MsgpackWriter writer(out);
      writer.string_header(static_cast<uint32_t>(add.size() + pair.name.size() - remove.size()));
      out.append(add).append(pair.name.substr(remove.size()));
    }
    out.append(pair.value);
  }
  // Whether a key that is `name` now will be `other`.
  [[nodiscard]] bool gives(std::string_view name, std::string_view other) const {
    if (!add.empty()) {
      return other.size() == add.size() + name.size() && other.starts_with(add) &&
             other.ends_with(name);
    }
    return other == (name.starts_with(remove) ? name.substr(remove.size()) : name);
  }
};

class NestFilter final : public Filter {
 public:
  NestFilter(bool nest, std::vector<KeyPattern> fields, std::string under, Renaming renaming)
      : nest_(nest),
        fields_(std::move(fields)),
        under_(std::move(under)),
        renaming_(std::move(renaming)) {
    MsgpackWriter(under_bytes_).string(under_);
  }

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    rewriter_.begin(chunk);
    bool changed = false;
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      std::string& body = rewriter_.begin_record(entry);
      if (nest_ ? nest(record, body) : lift(record, body)) {
        rewriter_.end_record(entry.time);
        changed = true;
      } else {
        rewriter_.abandon_record();
        rewriter_.keep(entry);
      }
    }
    if (changed) rewriter_.finish();
  }

 private:
  [[nodiscard]] bool moves(std::string_view name) const {
    for (const KeyPattern& field : fields_) {
      if (field.matches(name)) return true;
    }
    return false;
  }

  // False, with anything in `out`, if nothing is to be done.
  bool nest(std::string_view record, std::string& out) {
    const size_t map = out.size();
    out.push_back('\x80');
    nested_.assign(1, '\x80');
    uint32_t outer = 0, inner = 0, moved = 0;
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      if (moves(pair.name)) {
        renaming_.append(nested_, pair);
        ++inner, ++moved;
      } else if (pair.name == under_ && is_map(pair.value)) {
        // A map of that key is there already: it takes the fields in.
        MapPairs own(pair.value);
        for (MapPair one; own.next(one);) nested_.append(one.bytes()), ++inner;
      } else if (pair.name != under_) {
        out.append(pair.bytes());
        ++outer;
      }
    }
    if (moved == 0 || !pairs.ok()) return false;
    set_map_pairs(nested_, 0, inner);
    out.append(under_bytes_).append(nested_);
    set_map_pairs(out, map, outer + 1);
    return true;
  }

  bool lift(std::string_view record, std::string& out) {
    std::optional<std::string_view> lifted;
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      if (pair.name == under_ && is_map(pair.value)) lifted = pair.value;
    }
    if (!lifted || !pairs.ok()) return false;
    const size_t map = out.size();
    out.push_back('\x80');
    uint32_t count = 0;
    MapPairs again(record);
    for (MapPair pair; again.next(pair);) {
      if ((pair.name == under_ && is_map(pair.value)) || is_replaced(pair.name, *lifted)) continue;
      out.append(pair.bytes());
      ++count;
    }
    MapPairs inner(*lifted);
    for (MapPair pair; inner.next(pair);) renaming_.append(out, pair), ++count;
    set_map_pairs(out, map, count);
    return true;
  }

  // A field of this name comes out of the map: two of one name would be no JSON.
  [[nodiscard]] bool is_replaced(std::string_view name, std::string_view lifted) const {
    if (name.data() == nullptr) return false;
    MapPairs inner(lifted);
    for (MapPair pair; inner.next(pair);) {
      if (pair.name.data() != nullptr && renaming_.gives(pair.name, name)) return true;
    }
    return false;
  }

  const bool nest_;
  const std::vector<KeyPattern> fields_;
  const std::string under_;
  const Renaming renaming_;
  std::string under_bytes_;
  ChunkRewriter rewriter_;
  std::string nested_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const NestOptions options = nest_option_table().parse(section, diagnostics);
  if (section.find("operation") == nullptr) {
    diagnostics.error(section.where, "filter nest needs Operation nest or Operation lift");
  }
  const bool nest = options.operation != NestOptions::Operation::Lift;
  const std::string_view key_option = nest ? "nest_under" : "nested_under";
  const std::string& under = nest ? options.nest_under : options.nested_under;
  if (options.operation && under.empty()) {
    diagnostics.error(section.where_of("operation"),
                      fmt::format("operation {} needs {}", nest ? "nest" : "lift", key_option));
  }
  if (options.operation && nest && options.wildcards.empty()) {
    diagnostics.error(section.where_of("operation"), "operation nest needs at least one wildcard");
  }
  if (!options.add_prefix.text.empty() && !options.remove_prefix.text.empty()) {
    diagnostics.error(options.remove_prefix.where,
                      "add_prefix and remove_prefix exclude each other");
  }
  std::vector<KeyPattern> fields;
  for (const LocatedText& wildcard : options.wildcards) {
    KeyPattern field{wildcard.text, wildcard.text.ends_with('*')};
    if (field.prefix) field.text.pop_back();
    fields.push_back(std::move(field));
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  made.description = nest ? fmt::format("puts {} fields under {}", fields.size(), under)
                          : fmt::format("takes the fields out of {}", under);
  for (const KeyPattern& field : fields) {
    if (nest && !field.prefix) made.consumed_keys.push_back(field.text);
  }
  if (!nest) made.consumed_keys.push_back(under);
  made.filter =
      std::make_unique<NestFilter>(nest, std::move(fields), under,
                                   Renaming{options.add_prefix.text, options.remove_prefix.text});
  return made;
}

}  // namespace

const FilterPlugin kNestFilter = {
    .name = "nest",
    .summary = "Puts fields into a map of their own, or takes them out of one.",
    .options = [] { return nest_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
