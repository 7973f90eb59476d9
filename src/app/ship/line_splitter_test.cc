#include "app/ship/line_splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "app/ship/docker_frame.h"
#include "record/msgpack_reader.h"

namespace noroshi::ship {
namespace {

struct Got {
  std::string line;
  bool partial;
  std::string id;
  uint32_t ordinal;
  bool last;
  friend bool operator==(const Got&, const Got&) = default;
};

class LineSplitterTest : public testing::Test {
 protected:
  std::vector<Got> split(std::initializer_list<std::string> reads, bool end = true) {
    std::vector<Got> got;
    int next_id = 0;
    LineSplitter splitter(clock_, [&] { return "id" + std::to_string(next_id++); });
    const auto emit = [&](const Piece& piece) {
      got.push_back({std::string(piece.line), piece.partial, std::string(piece.partial_id),
                     piece.ordinal, piece.last});
      times_.push_back(piece.time);
    };
    for (const std::string& read : reads) {
      splitter.take(read, emit);
      clock_.advance(Seconds(1));
    }
    if (end) splitter.end(emit);
    lines_ = splitter.lines();
    return got;
  }

  ManualClock clock_{Timestamp(Seconds(1000))};
  std::vector<Timestamp> times_;
  uint64_t lines_ = 0;
};

const std::string kFull(kPieceBytes, 'x');

TEST_F(LineSplitterTest, WholeLines) {
  EXPECT_EQ(split({"a\nb\r\n\n", "c", "d\n"}), (std::vector<Got>{{"a", false, "", 0, false},
                                                                 {"b\r", false, "", 0, false},
                                                                 {"", false, "", 0, false},
                                                                 {"cd", false, "", 0, false}}));
  EXPECT_EQ(lines_, 4u);
}

TEST_F(LineSplitterTest, ALongLineBecomesPiecesWithTheTimeOfTheFirst) {
  EXPECT_EQ(split({kFull + "y", kFull, "z\nnext\n"}),
            (std::vector<Got>{{kFull, true, "id0", 1, false},
                              {"y" + kFull.substr(1), true, "id0", 2, false},
                              {"xz", true, "id0", 3, true},
                              {"next", false, "", 0, false}}));
  EXPECT_EQ(times_[0], times_[2]);
  EXPECT_GT(times_[3], times_[2]);
  EXPECT_EQ(lines_, 2u);
}

TEST_F(LineSplitterTest, ALineOfExactlySixteenKiBEndsWithAnEmptyPiece) {
  EXPECT_EQ(split({kFull + "\n"}),
            (std::vector<Got>{{kFull, true, "id0", 1, false}, {"", true, "id0", 2, true}}));
  EXPECT_EQ(split({kFull.substr(1) + "\n"}),
            (std::vector<Got>{{kFull.substr(1), false, "", 0, false}}));
}

TEST_F(LineSplitterTest, TheEndWithoutNewlineIsAPieceThatIsNeverLast) {
  EXPECT_EQ(split({"short"}), (std::vector<Got>{{"short", true, "id0", 1, false}}));
  EXPECT_EQ(lines_, 1u);
  EXPECT_EQ(split({kFull}), (std::vector<Got>{{kFull, true, "id0", 1, false}}));
  EXPECT_EQ(lines_, 1u);
  EXPECT_EQ(split({kFull + "more"}),
            (std::vector<Got>{{kFull, true, "id0", 1, false}, {"more", true, "id0", 2, false}}));
  EXPECT_EQ(split({}), (std::vector<Got>{}));
  EXPECT_EQ(lines_, 0u);
}

// Docker's loop as it stands in copier.go, with its buffer and its reads of 2 KiB.
std::vector<Got> docker_copier(std::string_view input) {
  std::vector<Got> got;
  std::string buffer;
  bool more_partial = false;
  int ids = 0;
  std::string id;
  uint32_t ordinal = 1;
  for (;;) {
    const size_t room = std::min<size_t>(2048, kPieceBytes - buffer.size());
    buffer += input.substr(0, room);
    const bool end = input.size() <= room;
    input.remove_prefix(std::min(room, input.size()));
    if (buffer.empty() && end) return got;
    size_t position = 0;
    for (size_t newline; (newline = buffer.find('\n', position)) != std::string::npos;
         position = newline + 1) {
      got.push_back({buffer.substr(position, newline - position), more_partial,
                     more_partial ? id : "", more_partial ? ordinal : 0, more_partial});
      more_partial = false;
    }
    if (end || (position == 0 && buffer.size() == kPieceBytes)) {
      if (position < buffer.size()) {
        if (!more_partial) id = "id" + std::to_string(ids++), ordinal = 1;
        got.push_back({buffer.substr(position), true, id, ordinal++, false});
        more_partial = true;
        position = buffer.size();
      }
      if (end) return got;
    }
    buffer.erase(0, position);
  }
}

TEST_F(LineSplitterTest, RandomTextsAsDockerCutsThem) {
  const uint64_t seed = std::random_device()();
  for (uint64_t round = 0; round < 200; ++round) {
    std::mt19937_64 random(seed + round);
    std::string text;
    for (uint64_t n = random() % 8; n > 0; --n) {
      const uint64_t kind = random() % 4;
      const size_t length = kind == 0   ? random() % 50
                            : kind == 1 ? kPieceBytes * (random() % 3)
                                        : random() % 40'000;
      text += std::string(length, static_cast<char>('a' + n)) +
              (random() % 6 == 0 && n == 1 ? "" : "\n");
    }
    std::vector<Got> got;
    int next_id = 0;
    LineSplitter splitter(clock_, [&] { return "id" + std::to_string(next_id++); });
    const auto emit = [&](const Piece& piece) {
      got.push_back({std::string(piece.line), piece.partial, std::string(piece.partial_id),
                     piece.ordinal, piece.last});
    };
    for (std::string_view rest = text; !rest.empty();) {
      const size_t size = std::min<size_t>(rest.size(), random() % 20'000 + 1);
      splitter.take(rest.substr(0, size), emit);
      rest.remove_prefix(size);
    }
    splitter.end(emit);
    ASSERT_EQ(got, docker_copier(text)) << "seed " << seed + round;
  }
}

TEST(DockerFrameTest, FourElementsAndAllValuesStrings) {
  const DockerFrame frame("tag", std::string(64, 'a'), "backend", "stderr");
  std::string bytes;
  frame.append({.line = "hello", .time = Timestamp(Nanoseconds(1'700'000'000'000'000'001))}, "",
               bytes);
  MsgpackReader reader(bytes);
  EXPECT_EQ(reader.read_array().value(), 4u);
  EXPECT_EQ(reader.read_string().value(), "tag");
  EXPECT_EQ(reader.remaining().substr(0, 2), std::string_view("\xd7\x00", 2));
  EXPECT_EQ(reader.read_time().value(), Timestamp(Nanoseconds(1'700'000'000'000'000'001)));
  EXPECT_EQ(reader.read_map().value(), 4u);
  for (const char* text :
       {"container_id", "", "container_name", "/backend", "source", "stderr", "log", "hello"}) {
    const auto value = reader.read_string().value();
    if (*text != '\0') {
      EXPECT_EQ(value, text);
    }
  }
  EXPECT_EQ(reader.remaining(), "\x80");

  bytes.clear();
  frame.append({"x", {}, true, std::string(64, 'b'), 2, true}, "ack", bytes);
  MsgpackReader partial(bytes);
  (void)partial.read_array(), (void)partial.skip(), (void)partial.skip();
  EXPECT_EQ(partial.read_map().value(), 8u);
  for (int n = 0; n < 8; ++n) (void)partial.skip();
  for (const char* text : {"partial_message", "true", "partial_id", "", "partial_ordinal", "2",
                           "partial_last", "true"}) {
    const auto value = partial.read_string().value();
    if (*text != '\0') {
      EXPECT_EQ(value, text);
    }
  }
  EXPECT_EQ(partial.read_map().value(), 1u);
  EXPECT_EQ(partial.read_string().value(), "chunk");
  EXPECT_EQ(partial.read_string().value(), "ack");
  EXPECT_TRUE(partial.at_end());
}

TEST(DockerFrameTest, IdsAreAsDockersAndDiffer) {
  EXPECT_EQ(random_hex(32).size(), 64u);
  EXPECT_NE(random_hex(32), random_hex(32));
  const std::string id = make_ack_id(Timestamp(Seconds(1)));
  EXPECT_EQ(id.size(), 24u);
  EXPECT_EQ(id.substr(0, 10), "AQAAAAAAAA");
  EXPECT_NE(id, make_ack_id(Timestamp(Seconds(1))));
}

}  // namespace
}  // namespace noroshi::ship
