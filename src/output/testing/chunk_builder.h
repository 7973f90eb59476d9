// ChunkBuilder: chunks for tests of outputs, from JSON or from MessagePack.
#pragma once

#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "record/chunk.h"
#include "record/json_parser.h"

namespace noroshi::testing {

class ChunkBuilder {
 public:
  explicit ChunkBuilder(std::string tag = "backend", Offset base = {}) : base_(base) {
    chunk_.tag = std::move(tag);
  }

  ChunkBuilder& json(Timestamp time, std::string_view object) {
    std::string record;
    CHECK(JsonToMsgpack().append_object(object, record).has_value(),
          "a test's record is no JSON object");
    return msgpack(time, record);
  }
  ChunkBuilder& msgpack(Timestamp time, std::string_view record) {
    chunk_.append(time, record);
    return *this;
  }

  [[nodiscard]] ChunkView view() const {
    ChunkView view = chunk_.view();
    view.base = base_;
    return view;
  }
  // 0, 1, 2 … for every record from `first` on.
  [[nodiscard]] std::vector<uint32_t> all(uint32_t first = 0) const {
    std::vector<uint32_t> indexes(chunk_.records.size() - first);
    std::iota(indexes.begin(), indexes.end(), first);
    return indexes;
  }

 private:
  Chunk chunk_;
  Offset base_;
};

}  // namespace noroshi::testing
