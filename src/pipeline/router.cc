#include "pipeline/router.h"

#include <bit>
#include <cstring>

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

struct Block {
  std::string_view kinds;
  std::string_view bitmaps;
};

std::optional<Block> parse_block(std::string_view block) {
  if (block.size() < 2) return std::nullopt;
  const size_t count =
      static_cast<uint8_t>(block[0]) | static_cast<size_t>(static_cast<uint8_t>(block[1])) << 8;
  if (block.size() < 2 + count) return std::nullopt;
  return Block{block.substr(2, count), block.substr(2 + count)};
}

}  // namespace

bool Route::matches_tag(std::string_view tag) const {
  if (match_regex && match_regex->matches(tag)) return true;
  for (const TagPattern& pattern : match) {
    if (pattern.matches(tag)) return true;
  }
  return false;
}

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
  CHECK(routes_.size() <= UINT16_MAX, "outputs are numbered with 16 bits in the routing block");
  Fingerprint fingerprint;
  for (const Route& route : routes_) {
    fingerprint.add(route.output_identity);
    for (const TagPattern& pattern : route.match) fingerprint.add(pattern.text());
    fingerprint.add(route.match_regex ? route.match_regex->text() : "");
    fingerprint.add(route.condition.text());
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

void RouteTable::route(Chunk& chunk, std::string& block, std::vector<uint32_t>& counts) {
  const std::vector<bool>& outputs = outputs_of_tag(chunk.tag);
  const uint32_t records = static_cast<uint32_t>(chunk.records.size());
  counts.assign(routes_.size(), 0);
  block.clear();
  block.push_back(static_cast<char>(routes_.size()));
  block.push_back(static_cast<char>(routes_.size() >> 8));
  block.append(routes_.size(), kNone);
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (!outputs[i]) continue;
    if (routes_[i].condition.always()) {
      counts[i] = records;
      block[2 + i] = kAll;
      continue;
    }
    routes_[i].condition.evaluate(chunk.records, chunk.body, selected_);
    counts[i] = selected_.count();
    if (counts[i] == 0) continue;
    block[2 + i] = counts[i] == records ? kAll : kSome;
    if (counts[i] == records) continue;
    for (const uint64_t word : selected_.words()) append_u64(block, word);
  }
}

bool RouteTable::selects_none(size_t output, uint64_t table_id, std::string_view block) const {
  const std::optional<Block> parsed = parse_block(block);
  return table_id == id_ && parsed && output < parsed->kinds.size() &&
         parsed->kinds[output] == kNone;
}

Status RouteTable::select(size_t output, uint64_t table_id, std::string_view block,
                          const ChunkView& chunk, std::vector<uint32_t>& selected) const {
  selected.clear();
  const uint32_t records = static_cast<uint32_t>(chunk.records.size());
  const auto take_all = [&] {
    selected.resize(records);
    for (uint32_t i = 0; i < records; ++i) selected[i] = i;
  };
  if (table_id != id_) {
    if (!routes_[output].matches_tag(chunk.tag)) return {};
    if (routes_[output].condition.always()) return take_all(), Status{};
    std::vector<RecordEntry> entries(chunk.records.begin(), chunk.records.end());
    Bitmap bitmap;
    routes_[output].condition.evaluate(entries, chunk.body, bitmap);
    bitmap.for_each([&](uint32_t index) { selected.push_back(index); });
    return {};
  }
  const std::optional<Block> parsed = parse_block(block);
  if (!parsed || output >= parsed->kinds.size()) {
    return fail(ErrorCode::Corrupt, "routing block does not list this output");
  }
  if (parsed->kinds[output] == kNone) return {};
  if (parsed->kinds[output] == kAll) return take_all(), Status{};
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
