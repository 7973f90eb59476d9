// AddedFields: fields with fixed values that go to the end of every record of a chunk. A field the
// record has already is replaced, so that no key stands twice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "filter/chunk_rewriter.h"

namespace noroshi {

class AddedFields {
 public:
  // A further field; of one name the last value counts.
  void set(std::string_view name, std::string_view value);
  [[nodiscard]] bool empty() const { return names_.empty(); }
  // A record that is no well-formed map stays as it is.
  void add_to(Chunk& chunk, ChunkRewriter& rewriter) const;

 private:
  void add_to_record(const Chunk& chunk, const RecordEntry& entry, ChunkRewriter& rewriter) const;
  [[nodiscard]] bool adds(std::string_view name) const;

  std::vector<std::string> names_, values_;
  std::string packed_;    // all pairs, MessagePack
  uint64_t lengths_ = 0;  // bit n: a name has n (modulo 64) bytes
};

}  // namespace noroshi
