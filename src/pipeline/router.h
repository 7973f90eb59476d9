// Router: decides, once and while the records are hot in cache, which output takes which records of
// a chunk.
//
// The answer travels with the chunk in the journal as the routing block, beside the id of the table
// that made it. A reader with another table (the configuration changed, the journal did not)
// decides again.
//
// Routing block, little-endian:   count:u16  kind:u8[count]  bitmap[…]
//   kind 0 none, 1 all, 2 some; one bitmap of ceil(records / 64) u64 words for each output of
//   kind 2.
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
#include "record/tag_match.h"

namespace noroshi {

// One output as the router sees it.
struct Route {
  std::string output_identity;            // names it in the table's id; stable over restarts
  std::vector<TagPattern> match = {};     // any of them
  std::optional<Regex> match_regex = {};  // tried first, as Fluent Bit does
  RecordCondition condition = {};

  [[nodiscard]] bool matches_tag(std::string_view tag) const;
};

class RouteTable {
 public:
  explicit RouteTable(std::vector<Route> routes);

  // Equal for equal routes in the same order, in every process.
  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

  // Writes the routing block of `chunk` into `block` and the number of records each output takes
  // into `counts`. Severities inferred on the way stay in the chunk's entries. Ingest thread only.
  void route(Chunk& chunk, std::string& block, std::vector<uint32_t>& counts);

  // The records of an entry that output number `output` takes, ascending, into `selected`.
  // `table_id` and `block` are what the journal stored. Corrupt if the block does not fit the
  // chunk. Thread-safe.
  [[nodiscard]] Status select(size_t output, uint64_t table_id, std::string_view block,
                              const ChunkView& chunk, std::vector<uint32_t>& selected) const;

  // True if the stored block alone says that `output` takes nothing: the body need not be read.
  [[nodiscard]] bool selects_none(size_t output, uint64_t table_id, std::string_view block) const;

 private:
  const std::vector<bool>& outputs_of_tag(const std::string& tag);

  std::vector<Route> routes_;
  uint64_t id_;
  std::unordered_map<std::string, std::vector<bool>> tags_;
  Bitmap selected_;
};

}  // namespace noroshi
