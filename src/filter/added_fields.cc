#include "filter/added_fields.h"

#include <algorithm>

#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

void AddedFields::set(std::string_view name, std::string_view value) {
  const auto same = std::ranges::find(names_, name);
  if (same != names_.end()) {
    values_[static_cast<size_t>(same - names_.begin())] = value;
  } else {
    names_.emplace_back(name);
    values_.emplace_back(value);
    lengths_ |= uint64_t{1} << (name.size() & 63);
  }
  packed_.clear();
  MsgpackWriter writer(packed_);
  for (size_t i = 0; i < names_.size(); ++i) {
    writer.string(names_[i]);
    writer.string(values_[i]);
  }
}

void AddedFields::add_to(Chunk& chunk, ChunkRewriter& rewriter) const {
  if (empty()) return;
  rewriter.begin(chunk);
  for (const RecordEntry& entry : chunk.records) add_to_record(chunk, entry, rewriter);
  rewriter.finish();
}

void AddedFields::add_to_record(const Chunk& chunk, const RecordEntry& entry,
                                ChunkRewriter& rewriter) const {
  const std::string_view record = chunk.view().record(entry);
  MapPairs walk(record);
  std::string& body = rewriter.begin_record(entry);
  const size_t map = rewriter.map_begin();
  body.append(record.substr(0, map_head_size(record)));
  auto count = static_cast<uint32_t>(names_.size());
  // Neighbours that stay are copied together.
  std::string_view run;
  for (MapPair pair; walk.next(pair);) {
    if (adds(pair.name)) {
      body.append(run);
      run = {};
      continue;
    }
    ++count;
    const std::string_view bytes = pair.bytes();
    run = run.empty() ? bytes : std::string_view(run.data(), run.size() + bytes.size());
  }
  if (!walk.ok()) {
    rewriter.abandon_record();
    return rewriter.keep(entry);
  }
  body.append(run);
  body.append(packed_);
  set_map_pairs(body, map, count);
  rewriter.end_record(entry.time);
}

bool AddedFields::adds(std::string_view name) const {
  if (name.data() == nullptr || (lengths_ >> (name.size() & 63) & 1) == 0) return false;
  return std::ranges::find(names_, name) != names_.end();
}

}  // namespace noroshi
