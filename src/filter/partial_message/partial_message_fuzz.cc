// Pieces of long lines in any order, of any kind, over several chunks. Every byte must come out
// (the pieces all differ, so none is a repetition), and every ack must be released when all is
// done.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "filter/partial_message/partial_message.h"
#include "record/counting_ack.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

struct Sums final : FilterOutput {
  uint64_t bytes = 0;

  void emit(Chunk& chunk, bool) override {
    count(chunk);
    chunk.clear();
  }
  void count(const Chunk& chunk) {
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      CHECK(validate_msgpack(record).has_value(), "records stay well-formed");
      if (const auto log = find_key(record, "log")) {
        bytes += MsgpackReader(*log).read_string().value_or("").size();
      }
    }
  }
};

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  ManualClock clock;
  FilterMetrics metrics;
  Sums out;
  int live_acks = 0;
  uint64_t bytes_in = 0;
  {
    const auto filter = make_partial_message({.size_limit = {16 << 10}}, clock);
    Chunk chunk;
    for (size_t i = 0; i + 3 < size; i += 4) {
      const uint8_t kind = data[i], id = data[i + 1] % 5, ordinal = data[i + 2] % 12;
      std::string record;
      MsgpackWriter writer(record);
      writer.map_header(6);
      writer.string("partial_message"), writer.string((kind & 1) != 0 ? "true" : "false");
      writer.string("container_id"), writer.string("c");
      // Each position has bytes of its own, so that nothing looks like a repetition.
      const std::string log((kind & 2) != 0 ? data[i + 3] * 20u : data[i + 3] % 8u,
                            static_cast<char>('a' + (i / 4) % 26));
      writer.string("log"), writer.string(log + std::to_string(i));
      bytes_in += log.size() + std::to_string(i).size();
      writer.string("partial_id"), writer.string(std::string(1, static_cast<char>('0' + id)));
      writer.string("partial_ordinal"), writer.string(std::to_string(ordinal));
      writer.string("partial_last"), writer.boolean((kind & 4) != 0);
      chunk.tag = (kind & 128) != 0 ? "one" : "other";
      chunk.append(clock.wall(), record);
      if ((kind & 8) == 0) continue;
      chunk.acks.push_back(std::make_shared<CountingAck>(live_acks));
      filter->apply(chunk, out, metrics);
      out.count(chunk);
      chunk.clear();
      if ((kind & 16) != 0) {
        clock.advance(Seconds(kind >> 5));
        filter->on_tick(out, metrics);
      }
    }
    filter->apply(chunk, out, metrics);
    out.count(chunk);
    chunk.clear();
    filter->flush(out, metrics);
  }
  CHECK(out.bytes == bytes_in, "nothing is lost and nothing is made up");
  CHECK(live_acks == 0, "every ack is released");
  return 0;
}
