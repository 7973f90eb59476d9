#include "pipeline/router.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "base/fingerprint.h"

namespace noroshi {
namespace {

// Tags remembered with the outputs they match; a flood of new tags starts the cache over.
constexpr size_t kTagsCachedMax = 1024;

enum Kind : char { kNone = 0, kAll = 1, kSome = 2 };

void append_u64(std::string& out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

uint64_t load_u64(const char* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

size_t bitmap_bytes(size_t records) { return (records + 63) / 64 * 8; }

// Types of the fields behind the bitmaps.
enum Field : char { kInput = 1, kCopiedFor = 2, kOnlyFor = 3 };

struct Block {
  std::string_view kinds;
  std::string_view bitmaps;  // and what follows them
};

std::optional<Block> parse_block(std::string_view block) {
  if (block.size() < 2) return std::nullopt;
  const size_t count =
      static_cast<uint8_t>(block[0]) | static_cast<size_t>(static_cast<uint8_t>(block[1])) << 8;
  if (block.size() < 2 + count) return std::nullopt;
  return Block{block.substr(2, count), block.substr(2 + count)};
}

// What another table needs to know of a chunk, from the fields of its block.
struct Origin {
  std::string_view input = {};
  std::vector<uint64_t> copied_for = {};
  std::optional<uint64_t> only_for = {};
};

// A block that makes no sense gives what could be read: the chunk is then routed by its tag.
Origin origin_of(std::string_view text, size_t records) {
  Origin origin;
  const std::optional<Block> block = parse_block(text);
  if (!block) return origin;
  const auto some = static_cast<size_t>(std::ranges::count(block->kinds, char{kSome}));
  std::string_view fields = block->bitmaps;
  if (fields.size() < some * bitmap_bytes(records)) return origin;
  fields.remove_prefix(some * bitmap_bytes(records));
  while (fields.size() >= 2) {
    const size_t size = static_cast<uint8_t>(fields[1]);
    if (fields.size() < 2 + size) break;
    const std::string_view bytes = fields.substr(2, size);
    if (fields[0] == kInput) origin.input = bytes;
    if (fields[0] == kCopiedFor && size == 8) origin.copied_for.push_back(load_u64(bytes.data()));
    if (fields[0] == kOnlyFor && size == 8) origin.only_for = load_u64(bytes.data());
    fields.remove_prefix(2 + size);
  }
  return origin;
}

void append_field(std::string& block, Field type, std::string_view bytes) {
  bytes = bytes.substr(0, UINT8_MAX);
  block.push_back(type);
  block.push_back(static_cast<char>(bytes.size()));
  block.append(bytes);
}

void append_field(std::string& block, Field type, uint64_t number) {
  block.push_back(type);
  block.push_back(8);
  append_u64(block, number);
}

// An identity as the block holds it.
std::string_view stored_identity(const InputRouting& input) {
  return std::string_view(input.identity).substr(0, UINT8_MAX);
}

void begin_block(std::string& block, size_t outputs) {
  block.clear();
  block.push_back(static_cast<char>(outputs));
  block.push_back(static_cast<char>(outputs >> 8));
  block.append(outputs, kNone);
}

// The default route takes what is left, so it comes last whatever its place in the list.
void evaluate_routes(const InputRouting& input, std::span<const RecordEntry> records,
                     std::string_view body, std::vector<Bitmap>& taken) {
  const auto count = static_cast<uint32_t>(records.size());
  taken.resize(input.routes.size());
  Bitmap left(count, true);
  for (size_t i = 0; i < input.routes.size(); ++i) {
    const InputRoute& route = input.routes[i];
    if (route.is_default) continue;
    if (route.rules.empty())
      taken[i].reset(count, true);
    else
      route.rules.evaluate(records, body, taken[i]);
    taken[i].for_each([&](uint32_t index) { left.set(index, false); });
  }
  for (size_t i = 0; i < input.routes.size(); ++i) {
    if (input.routes[i].is_default) taken[i] = left;
  }
}

}  // namespace

bool Route::matches_tag(std::string_view tag) const {
  if (std::ranges::find(except_tags, tag) != except_tags.end()) return false;
  if (match_regex && match_regex->matches(tag)) return true;
  for (const TagPattern& pattern : match) {
    if (pattern.matches(tag)) return true;
  }
  return false;
}

void Route::add_to(Fingerprint& fingerprint) const {
  fingerprint.add(output_identity);
  for (const TagPattern& pattern : match) fingerprint.add(pattern.text());
  fingerprint.add(match_regex ? match_regex->text() : "");
  for (const std::string& tag : except_tags) fingerprint.add("except " + tag);
  fingerprint.add(condition.text());
  if (processed) fingerprint.add("processed");
}

bool Route::operator==(const Route& other) const {
  Fingerprint mine, its;
  add_to(mine);
  other.add_to(its);
  return mine.value() == its.value();
}

RouteTable::RouteTable(std::vector<Route> routes, std::vector<InputRouting> inputs)
    : routes_(std::move(routes)), inputs_(std::move(inputs)) {
  CHECK(routes_.size() <= UINT16_MAX, "outputs are numbered with 16 bits in the routing block");
  CHECK(inputs_.size() < kNoInput, "inputs are numbered with 16 bits");
  Fingerprint fingerprint;
  for (const Route& route : routes_) {
    route.add_to(fingerprint);
    Fingerprint identity;
    identity.add(route.output_identity);
    fingerprints_.push_back(identity.value());
    const std::string condition = route.condition.text();
    size_t same = 0;
    while (routes_[same].condition.text() != condition) ++same;
    same_condition_.push_back(same);
  }
  fulfilled_.resize(routes_.size());
  std::map<std::string, size_t> asked;
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (same_condition_[i] != i) continue;
    for (const std::string& key : routes_[i].condition.keys()) {
      if (++asked[key] == 2) lookups_.emplace(key, FoundValues());
    }
  }
  for (const InputRouting& input : inputs_) {
    if (input.routes.empty()) continue;
    needs_inputs_ = true;
    fingerprint.add("input");
    fingerprint.add(input.identity);
    for (const InputRoute& route : input.routes) {
      fingerprint.add(route.is_default ? "default" : route.rules.text());
      for (const size_t output : route.outputs) {
        CHECK(output < routes_.size(), "a route leads to an output of the table");
        fingerprint.add(routes_[output].output_identity);
      }
    }
  }
  id_ = fingerprint.value();
}

const std::vector<bool>& RouteTable::outputs_of_tag(const std::string& tag) {
  const auto found = tags_.find(tag);
  if (found != tags_.end()) return found->second;
  if (tags_.size() >= kTagsCachedMax) tags_.clear();
  std::vector<bool> outputs;
  for (const Route& route : routes_) outputs.push_back(route.matches_tag(tag));
  return tags_.emplace(tag, std::move(outputs)).first->second;
}

const InputRouting* RouteTable::input_with_routes(uint16_t number) const {
  return number < inputs_.size() && !inputs_[number].routes.empty() ? &inputs_[number] : nullptr;
}

bool RouteTable::select_by_routes(const InputRouting& input, const RouteBitmaps& taken,
                                  size_t output, Bitmap& selected) {
  bool any = false;
  for (size_t i = 0; i < input.routes.size(); ++i) {
    if (std::ranges::find(input.routes[i].outputs, output) == input.routes[i].outputs.end())
      continue;
    if (any)
      selected |= taken[i];
    else
      selected = taken[i];
    any = true;
  }
  return any && !selected.none();
}

void RouteTable::route(Chunk& chunk, std::string& block, std::vector<uint32_t>& counts) {
  const InputRouting* input = input_with_routes(chunk.input);
  const std::vector<bool>* by_tag = nullptr;
  if (input != nullptr)
    evaluate_routes(*input, chunk.records, chunk.body, taken_);
  else
    by_tag = &outputs_of_tag(chunk.tag);
  const uint32_t records = static_cast<uint32_t>(chunk.records.size());
  counts.assign(routes_.size(), 0);
  begin_block(block, routes_.size());
  for (Fulfilled& fulfilled : fulfilled_) fulfilled.known = false;
  for (auto& [key, found] : lookups_) found.forget();
  // Outputs with equal conditions share one evaluation.
  const auto fulfilled_by = [&](size_t output) -> const Bitmap& {
    Fulfilled& shared = fulfilled_[same_condition_[output]];
    if (!shared.known) {
      routes_[output].condition.evaluate(chunk.records, chunk.body, shared.records, &lookups_);
      shared.known = true;
    }
    return shared.records;
  };
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].processed || (by_tag != nullptr && !(*by_tag)[i])) continue;
    const RecordCondition& condition = routes_[i].condition;
    const Bitmap* selected = &routed_;
    if (input != nullptr) {
      if (!select_by_routes(*input, taken_, i, routed_)) continue;
      if (!condition.always()) routed_ &= fulfilled_by(i);
    } else if (condition.always()) {
      counts[i] = records;
      block[2 + i] = kAll;
      continue;
    } else {
      selected = &fulfilled_by(i);
    }
    counts[i] = selected->count();
    if (counts[i] == 0) continue;
    block[2 + i] = counts[i] == records ? kAll : kSome;
    if (counts[i] == records) continue;
    for (const uint64_t word : selected->words()) append_u64(block, word);
  }
  if (chunk.input < inputs_.size())
    append_field(block, kInput, stored_identity(inputs_[chunk.input]));
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].processed) append_field(block, kCopiedFor, fingerprints_[i]);
  }
}

void RouteTable::route_copy(const Chunk& copy, size_t output, std::string& block,
                            std::vector<uint32_t>& counts) const {
  counts.assign(routes_.size(), 0);
  counts[output] = static_cast<uint32_t>(copy.records.size());
  begin_block(block, routes_.size());
  block[2 + output] = kAll;
  append_field(block, kOnlyFor, fingerprints_[output]);
}

bool RouteTable::select_for_copy(Chunk& chunk, size_t output, Bitmap& selected) {
  const RecordCondition& condition = routes_[output].condition;
  if (const InputRouting* input = input_with_routes(chunk.input)) {
    evaluate_routes(*input, chunk.records, chunk.body, taken_);
    if (!select_by_routes(*input, taken_, output, selected)) return false;
    if (condition.always()) return true;
    condition.evaluate(chunk.records, chunk.body, selected_);
    selected &= selected_;
    return !selected.none();
  }
  if (!outputs_of_tag(chunk.tag)[output]) return false;
  condition.evaluate(chunk.records, chunk.body, selected);
  return !selected.none();
}

bool RouteTable::selects_none(size_t output, uint64_t table_id, std::string_view block) const {
  const std::optional<Block> parsed = parse_block(block);
  return table_id == id_ && parsed && output < parsed->kinds.size() &&
         parsed->kinds[output] == kNone;
}

std::optional<uint32_t> RouteTable::count(size_t output, uint64_t table_id, std::string_view block,
                                          uint32_t records, uint32_t first) const {
  const std::optional<Block> parsed = parse_block(block);
  if (table_id != id_ || !parsed || output >= parsed->kinds.size()) return std::nullopt;
  if (parsed->kinds[output] == kNone || first >= records) return 0;
  if (parsed->kinds[output] == kAll) return records - first;
  size_t position = 0;
  for (size_t i = 0; i < output; ++i) {
    if (parsed->kinds[i] == kSome) position += bitmap_bytes(records);
  }
  if (parsed->bitmaps.size() < position + bitmap_bytes(records)) return std::nullopt;
  uint32_t count = 0;
  for (uint32_t base = 0; base < records; base += 64, position += 8) {
    uint64_t word = load_u64(parsed->bitmaps.data() + position);
    if (base + 64 <= first) continue;
    if (base < first) word &= ~uint64_t{0} << (first - base);
    count += static_cast<uint32_t>(std::popcount(word));
  }
  return count;
}

// A chunk of another configuration: where it came from is in its block, who takes it is ours to
// say. An input that is gone, or one whose chunks carry no name yet, leaves its chunks to their
// tags.
void RouteTable::decide_again(size_t output, std::string_view block, const ChunkView& chunk,
                              std::vector<uint32_t>& selected) const {
  const auto records = static_cast<uint32_t>(chunk.records.size());
  const Origin origin = origin_of(block, records);
  const uint64_t fingerprint = fingerprints_[output];
  Bitmap bitmap(records, true);
  if (origin.only_for) {
    if (*origin.only_for != fingerprint) return;
  } else if (std::ranges::find(origin.copied_for, fingerprint) != origin.copied_for.end()) {
    return;
  } else {
    const auto input = std::ranges::find_if(inputs_, [&](const InputRouting& known) {
      return !known.routes.empty() && stored_identity(known) == origin.input;
    });
    if (input != inputs_.end()) {
      RouteBitmaps taken;
      evaluate_routes(*input, chunk.records, chunk.body, taken);
      if (!select_by_routes(*input, taken, output, bitmap)) return;
    } else if (!routes_[output].matches_tag(chunk.tag)) {
      return;
    }
    if (!routes_[output].condition.always()) {
      std::vector<RecordEntry> entries(chunk.records.begin(), chunk.records.end());
      Bitmap fulfilled;
      routes_[output].condition.evaluate(entries, chunk.body, fulfilled);
      bitmap &= fulfilled;
    }
  }
  bitmap.for_each([&](uint32_t index) { selected.push_back(index); });
}

Status RouteTable::select(size_t output, uint64_t table_id, std::string_view block,
                          const ChunkView& chunk, std::vector<uint32_t>& selected) const {
  selected.clear();
  if (table_id != id_) return decide_again(output, block, chunk, selected), Status{};
  const uint32_t records = static_cast<uint32_t>(chunk.records.size());
  const std::optional<Block> parsed = parse_block(block);
  if (!parsed || output >= parsed->kinds.size()) {
    return fail(ErrorCode::Corrupt, "routing block does not list this output");
  }
  if (parsed->kinds[output] == kNone) return {};
  if (parsed->kinds[output] == kAll) {
    selected.resize(records);
    for (uint32_t i = 0; i < records; ++i) selected[i] = i;
    return {};
  }
  size_t position = 0;
  for (size_t i = 0; i < output; ++i) {
    if (parsed->kinds[i] == kSome) position += bitmap_bytes(records);
  }
  if (parsed->bitmaps.size() < position + bitmap_bytes(records)) {
    return fail(ErrorCode::Corrupt, "routing block is shorter than its bitmaps");
  }
  for (uint32_t base = 0; base < records; base += 64, position += 8) {
    for (uint64_t word = load_u64(parsed->bitmaps.data() + position); word != 0; word &= word - 1) {
      const uint32_t index = base + static_cast<uint32_t>(std::countr_zero(word));
      if (index >= records)
        return fail(ErrorCode::Corrupt, "routing bitmap names a record beyond the chunk");
      selected.push_back(index);
    }
  }
  return {};
}

}  // namespace noroshi
