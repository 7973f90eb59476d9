// Router: decides, once and while the records are hot in cache, which output takes which records of
// a chunk.
//
// By tag: every output whose Match selects the chunk's tag takes the records that fulfil its
// condition (Grep, Level_Min). By routes: an input that has `routes` (YAML) is not tag-routed; each
// of its routes gives the records for which its rules hold to the outputs it names, the default
// route those that no other route took. docs/decisions/0012 says why the rest is as it is.
//
// The answer travels with the chunk in the journal as the routing block, beside the id of the table
// that made it. A reader with another table (the configuration changed, the journal did not)
// decides again, for which the block also says where the chunk came from.
//
// Routing block, little-endian:   count:u16  kind:u8[count]  bitmap[…]  field[…]
//   kind 0 none, 1 all, 2 some; one bitmap of ceil(records / 64) u64 words for each output of
//   kind 2.
//   field: type:u8 size:u8 bytes[size]. 1: identity of the input. 2: fingerprint (u64) of an
//   output that got these records as a processed copy. 3: fingerprint of the only output this
//   processed copy is for. Blocks of before there were fields end with the bitmaps.
//
// Immutable once built, but for the cache of tags in route(): that one is for the ingest thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/regex.h"
#include "base/result.h"
#include "record/bitmap.h"
#include "record/chunk.h"
#include "record/condition.h"
#include "record/record_rules.h"
#include "record/tag_match.h"

namespace noroshi {

class Fingerprint;

// One output as the router sees it.
struct Route {
  std::string output_identity;                // names it in the table's id; stable over restarts
  std::vector<TagPattern> match = {};         // any of them
  std::optional<Regex> match_regex = {};      // tried first, as Fluent Bit does
  std::vector<std::string> except_tags = {};  // never these, whatever Match says
  RecordCondition condition = {};
  // It has processors of its own: it never gets a received chunk, only a processed copy.
  bool processed = false;

  [[nodiscard]] bool matches_tag(std::string_view tag) const;
  // All that decides which records it takes; what the table's id is made from.
  void add_to(Fingerprint& fingerprint) const;
  [[nodiscard]] bool operator==(const Route& other) const;
};

// One entry of an input's `routes`.
struct InputRoute {
  std::string name = {};
  bool is_default = false;            // takes what no other route of the input took
  RecordRules rules = RecordRules();  // none: all records
  std::vector<size_t> outputs = {};   // numbers in the table
};
// One input as the router sees it; its number is Chunk::input.
struct InputRouting {
  std::string identity = {};            // stable over restarts
  std::vector<InputRoute> routes = {};  // none: routed by tag
};

class RouteTable {
 public:
  explicit RouteTable(std::vector<Route> routes, std::vector<InputRouting> inputs = {});

  // Equal for equal routes in the same order, in every process.
  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }
  // True if it matters which input a chunk came from.
  [[nodiscard]] bool needs_inputs() const { return needs_inputs_; }

  // Writes the routing block of `chunk` into `block` and the number of records each output takes
  // into `counts`. Severities inferred on the way stay in the chunk's entries. Ingest thread only.
  void route(Chunk& chunk, std::string& block, std::vector<uint32_t>& counts);
  // The same for the processed copy of records that `output` takes.
  void route_copy(const Chunk& copy, size_t output, std::string& block,
                  std::vector<uint32_t>& counts) const;
  // The records of `chunk` that an output with processors takes; false: none. Ingest thread only.
  [[nodiscard]] bool select_for_copy(Chunk& chunk, size_t output, Bitmap& selected);

  // The records of an entry that output number `output` takes, ascending, into `selected`.
  // `table_id` and `block` are what the journal stored. Corrupt if the block does not fit the
  // chunk. Thread-safe.
  [[nodiscard]] Status select(size_t output, uint64_t table_id, std::string_view block,
                              const ChunkView& chunk, std::vector<uint32_t>& selected) const;

  // How many of an entry's records from `first` on `output` takes, from the stored block alone.
  // Nothing if that takes the records: another table wrote it, or it is damaged.
  [[nodiscard]] std::optional<uint32_t> count(size_t output, uint64_t table_id,
                                              std::string_view block, uint32_t records,
                                              uint32_t first = 0) const;

  // True if the stored block alone says that `output` takes nothing: the body need not be read.
  [[nodiscard]] bool selects_none(size_t output, uint64_t table_id, std::string_view block) const;

 private:
  // Which records each route of an input takes, one bitmap per route.
  using RouteBitmaps = std::vector<Bitmap>;

  const std::vector<bool>& outputs_of_tag(const std::string& tag);
  [[nodiscard]] const InputRouting* input_with_routes(uint16_t number) const;
  // The records `output` takes of a chunk, before its own condition; false: none.
  static bool select_by_routes(const InputRouting& input, const RouteBitmaps& taken, size_t output,
                               Bitmap& selected);
  void decide_again(size_t output, std::string_view block, const ChunkView& chunk,
                    std::vector<uint32_t>& selected) const;

  std::vector<Route> routes_;
  std::vector<InputRouting> inputs_;
  std::vector<uint64_t> fingerprints_;  // of the outputs' identities
  uint64_t id_;
  bool needs_inputs_ = false;
  std::unordered_map<std::string, std::vector<bool>> tags_;
  RouteBitmaps taken_;
  Bitmap selected_, routed_;
  // Which records fulfil a condition, while route() runs: at the first output that has it.
  struct Fulfilled {
    bool known = false;
    Bitmap records = {};
  };
  std::vector<size_t> same_condition_;  // by output: the first one with an equal condition
  std::vector<Fulfilled> fulfilled_;
  SharedLookups lookups_;  // of keys that different conditions ask for
};

}  // namespace noroshi
