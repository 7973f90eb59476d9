#include "filter/partial_message/partial_message.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include <fmt/format.h>

#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

class CountingAck final : public PendingAck {
 public:
  explicit CountingAck(int& released) : released_(released) {}
  ~CountingAck() override { ++released_; }

 private:
  int& released_;
};

class Collected final : public FilterOutput {
 public:
  void emit(Chunk& chunk, bool from_head) override {
    EXPECT_FALSE(from_head);
    chunks.push_back(std::move(chunk));
    chunk.clear();
  }
  std::vector<Chunk> chunks;
};

struct PieceOf {
  std::string id, log;
  int ordinal = 0;
  bool last = false;
  std::string source = "stdout";
};

void append_piece(Chunk& chunk, const PieceOf& piece) {
  std::string record;
  MsgpackWriter writer(record);
  const std::pair<std::string_view, std::string> fields[] = {
      {"container_id", "c0ffee"},
      {"source", piece.source},
      {"log", piece.log},
      {"partial_message", "true"},
      {"partial_id", piece.id},
      {"partial_ordinal", std::to_string(piece.ordinal)},
      {"partial_last", piece.last ? "true" : "false"}};
  writer.map_header(std::size(fields));
  for (const auto& [key, value] : fields) writer.string(key), writer.string(value);
  chunk.append(Timestamp(Seconds(1795402380)), record);
}

std::string text_at(const Chunk& chunk, size_t index, std::string_view key) {
  const auto value = find_key(chunk.view().record(chunk.records[index]), key);
  return value ? std::string(MsgpackReader(*value).read_string().value_or("?")) : "(none)";
}

class PartialMessage : public testing::Test {
 protected:
  Chunk chunk_of(std::initializer_list<PieceOf> pieces, int* released = nullptr) {
    Chunk chunk;
    chunk.tag = "app";
    for (const PieceOf& piece : pieces) append_piece(chunk, piece);
    if (released != nullptr) chunk.acks.push_back(std::make_shared<CountingAck>(*released));
    return chunk;
  }
  void apply(Chunk& chunk) { filter->apply(chunk, output, metrics); }

  ManualClock clock;
  std::unique_ptr<Filter> filter = make_partial_message({}, clock);
  Collected output;
  FilterMetrics metrics;
};

TEST_F(PartialMessage, AcksWaitForTheJoinedRecord) {
  int first_released = 0, second_released = 0;
  {
    Chunk first = chunk_of({{"p", "one ", 1}}, &first_released);
    apply(first);
    EXPECT_TRUE(first.empty());
  }
  EXPECT_EQ(first_released, 0) << "the piece is held, and with it the ack";
  {
    Chunk second = chunk_of({{"p", "two", 2, true}}, &second_released);
    apply(second);
    ASSERT_EQ(second.records.size(), 1u);
    EXPECT_EQ(text_at(second, 0, "log"), "one two");
    EXPECT_EQ(text_at(second, 0, "partial_id"), "(none)");
    EXPECT_EQ(second.acks.size(), 2u);
    EXPECT_EQ(first_released, 0) << "not stored yet";
  }
  EXPECT_EQ(first_released, 1);
  EXPECT_EQ(second_released, 1);
}

TEST_F(PartialMessage, RepeatedPiecesHoldTheirAckToo) {
  int released = 0;
  Chunk first = chunk_of({{"p", "one ", 1}});
  apply(first);
  {
    Chunk again = chunk_of({{"p", "one ", 1}}, &released);
    apply(again);
    EXPECT_TRUE(again.empty());
  }
  EXPECT_EQ(released, 0);
  Chunk last = chunk_of({{"p", "two", 2, true}});
  apply(last);
  EXPECT_EQ(text_at(last, 0, "log"), "one two");
  last.clear();
  EXPECT_EQ(released, 1);
}

TEST_F(PartialMessage, APieceThatContradictsPassesOn) {
  Chunk first = chunk_of({{"p", "one", 1}});
  apply(first);
  Chunk other = chunk_of({{"p", "else", 1}});
  apply(other);
  ASSERT_EQ(other.records.size(), 1u);
  EXPECT_EQ(text_at(other, 0, "log"), "else");
}

TEST_F(PartialMessage, TimeoutReleasesWithTheAcks) {
  int released = 0;
  Chunk chunk = chunk_of({{"p", "half", 1}}, &released);
  apply(chunk);
  chunk.clear();
  clock.advance(Milliseconds(4999));
  filter->on_tick(output, metrics);
  EXPECT_TRUE(output.chunks.empty());
  clock.advance(Milliseconds(1));
  filter->on_tick(output, metrics);
  ASSERT_EQ(output.chunks.size(), 1u);
  EXPECT_EQ(output.chunks[0].tag, "app");
  EXPECT_EQ(text_at(output.chunks[0], 0, "log"), "half");
  EXPECT_EQ(text_at(output.chunks[0], 0, "partial_last"), "false")
      << "it says that it is not whole";
  EXPECT_EQ(released, 0);
  output.chunks.clear();
  EXPECT_EQ(released, 1);
  filter->flush(output, metrics);
  EXPECT_TRUE(output.chunks.empty());
}

TEST_F(PartialMessage, OpenMessagesAreBounded) {
  for (size_t i = 0; i < kPartialMessagesOpenMax + 10; ++i) {
    Chunk chunk = chunk_of({{fmt::format("p{}", i), "x", 1}});
    apply(chunk);
  }
  ASSERT_EQ(output.chunks.size(), 10u) << "the oldest make room";
  output.chunks.clear();
  // By bytes: 1 MiB is the limit of one, 8 MiB of all.
  filter = make_partial_message({}, clock);
  const std::string piece(900 << 10, 'x');
  for (size_t i = 0; i < 20; ++i) {
    Chunk chunk = chunk_of({{fmt::format("q{}", i), piece, 1}});
    apply(chunk);
  }
  EXPECT_EQ(output.chunks.size(), 20 - (kPartialBytesOpenMax / piece.size()));
  filter->flush(output, metrics);
  EXPECT_EQ(output.chunks.size(), 20u) << "none is lost";
}

TEST_F(PartialMessage, ALineOverTheLimitComesInParts) {
  const std::string piece(16 << 10, 'y');
  std::string all;
  int records = 0;
  for (int ordinal = 1; ordinal <= 200; ++ordinal) {
    Chunk chunk = chunk_of({{"p", piece, ordinal, ordinal == 200}});
    apply(chunk);
    for (size_t i = 0; i < chunk.records.size(); ++i) {
      EXPECT_LE(chunk.records[i].size, 1u << 20);
      all += text_at(chunk, i, "log");
      ++records;
    }
  }
  EXPECT_EQ(all.size(), 200 * piece.size()) << "every byte, in order";
  EXPECT_GT(records, 1);
  filter->flush(output, metrics);
  EXPECT_TRUE(output.chunks.empty());
}

TEST_F(PartialMessage, CleanChunksAreNotTouched) {
  Chunk chunk;
  chunk.tag = "app";
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(1), writer.string("log"), writer.string("plain");
  chunk.append(Timestamp{}, record);
  const std::string body = chunk.body;
  apply(chunk);
  EXPECT_EQ(chunk.body, body);
  EXPECT_EQ(chunk.records.size(), 1u);
}

// Many lines at once, cut at random, interleaved at random, over chunks of random size, some pieces
// sent twice: each line comes out once and whole.
TEST_F(PartialMessage, AnyInterleavingGivesTheLines) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, std::string> lines;  // by id
    std::vector<std::vector<PieceOf>> streams;
    for (size_t i = 1 + random() % 8; i > 0; --i) {
      const std::string id = fmt::format("{}-{}", round, i);
      std::vector<PieceOf>& pieces = streams.emplace_back();
      const int count = 1 + static_cast<int>(random() % 6);
      for (int ordinal = 1; ordinal <= count; ++ordinal) {
        std::string text(random() % 50, static_cast<char>('a' + random() % 26));
        lines[id] += text;
        pieces.push_back({id, text, ordinal, ordinal == count, i % 2 == 0 ? "stdout" : "stderr"});
      }
      // Neighbours change places sometimes, but not with the first: it opens the message.
      for (size_t k = 1; k + 1 < pieces.size(); ++k) {
        if (random() % 4 == 0) std::swap(pieces[k], pieces[k + 1]);
      }
      if (random() % 4 == 0 && pieces.size() > 2) pieces.insert(pieces.begin() + 1, pieces[0]);
    }
    std::map<std::string, int> got;
    Chunk chunk;
    const auto run = [&] {
      chunk.tag = "app";
      apply(chunk);
      for (size_t i = 0; i < chunk.records.size(); ++i) ++got[text_at(chunk, i, "log")];
      chunk.clear();
    };
    while (!streams.empty()) {
      const size_t pick = random() % streams.size();
      append_piece(chunk, streams[pick].front());
      streams[pick].erase(streams[pick].begin());
      if (streams[pick].empty()) streams.erase(streams.begin() + static_cast<ptrdiff_t>(pick));
      if (random() % 3 == 0) run();
    }
    run();
    std::map<std::string, int> wanted;
    for (const auto& [id, line] : lines) ++wanted[line];
    EXPECT_EQ(got, wanted);
    filter->flush(output, metrics);
    EXPECT_TRUE(output.chunks.empty());
  }
}

}  // namespace
}  // namespace noroshi
