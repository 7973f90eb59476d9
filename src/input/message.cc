#include "input/message.h"

#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

void finish_record(Chunk& chunk, size_t begin, uint32_t pairs, std::string_view key,
                   std::string_view source, Timestamp time) {
  if (!key.empty() && !source.empty()) {
    set_map_pairs(chunk.body, begin, pairs + 1);
    MsgpackWriter writer(chunk.body);
    writer.string(key), writer.string(source);
  }
  chunk.records.push_back({time, static_cast<uint32_t>(begin), 0,
                           static_cast<uint32_t>(chunk.body.size() - begin),
                           Severity::NotInferred});
}

}  // namespace noroshi
