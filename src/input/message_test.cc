// Framers against slow references, and what they do with broken bytes.
#include <gtest/gtest.h>

#include <random>

#include "input/json_messages.h"
#include "input/line_messages.h"
#include "record/json_record.h"

namespace noroshi {
namespace {

struct Taken {
  std::vector<std::string> messages;
  std::vector<std::string> problems;
  friend bool operator==(const Taken&, const Taken&) = default;
};

// Feeds `text` in pieces, as a connection does; the pieces end at `cuts`.
Taken feed(Framer& framer, std::string_view text, const std::vector<size_t>& cuts) {
  Taken taken;
  std::string held;
  size_t from = 0;
  const auto drain = [&](bool end) {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 1'000'000) << "it does not come to an end";
      const Found found = framer.next(held, end);
      ASSERT_LE(found.bytes, held.size());
      if (found.kind == Found::Kind::Message) taken.messages.emplace_back(found.message);
      if (!found.problem.empty()) taken.problems.emplace_back(found.problem);
      held.erase(0, found.bytes);
      if (found.kind == Found::Kind::Incomplete) return;
    }
  };
  for (const size_t cut : cuts) {
    held += text.substr(from, cut - from);
    from = cut;
    drain(false);
  }
  held += text.substr(from);
  drain(false);
  drain(true);
  EXPECT_TRUE(held.empty() || !taken.problems.empty()) << held;
  return taken;
}

Taken json(std::string_view text, size_t bytes_max = 1 << 20) {
  JsonFramer framer(bytes_max);
  return feed(framer, text, {});
}
Taken lines(std::string_view text, std::string_view separator = "\n", size_t bytes_max = 1000) {
  SeparatorFramer framer(separator, bytes_max);
  return feed(framer, text, {});
}
using Texts = std::vector<std::string>;

TEST(JsonFramer, DocumentsWithAndWithoutAnythingBetween) {
  EXPECT_EQ(json("{\"a\":1}{\"b\":\"}\\\"{\"}\n\n [1,{\"c\":[]}] ,{}\r\n").messages,
            (Texts{"{\"a\":1}", "{\"b\":\"}\\\"{\"}", "[1,{\"c\":[]}]", "{}"}));
  EXPECT_EQ(json("{\n  \"pretty\": [\n 1,\n -2.5e+3, true, null ]\n}").messages.size(), 1u);
}

TEST(JsonFramer, BrokenDocumentsCostThemselvesOnly) {
  EXPECT_EQ(json("{\"a\":1\n{\"b\":2}\n{\"c\":3}").messages, (Texts{"{\"b\":2}", "{\"c\":3}"}));
  EXPECT_EQ(json("{\"open\n{\"b\":2}\n").messages, Texts{"{\"b\":2}"});
  EXPECT_EQ(json("GET / HTTP/1.1\r\n{\"b\":2}").messages, Texts{"{\"b\":2}"});
  EXPECT_EQ(json("[1}\n{\"b\":2}").messages, Texts{"{\"b\":2}"});
  EXPECT_EQ(json("{\"a\":}}{\n{\"b\":2}").messages, Texts{"{\"b\":2}"});
  EXPECT_EQ(json("12\n\"text\"\n{\"b\":2}").messages, Texts{"{\"b\":2}"});
  EXPECT_EQ(json("12\n\"text\"\n{\"b\":2}").problems.size(), 2u);
  const Taken cut = json("{\"b\":2}{\"c\":");
  EXPECT_EQ(cut.messages, Texts{"{\"b\":2}"});
  EXPECT_EQ(cut.problems.size(), 1u);
}

TEST(JsonFramer, ADocumentAboveTheLimitIsLeftOutAndTheNextOneTaken) {
  const std::string large = "{\"log\":\"" + std::string(5000, 'x') + "\"}";
  for (size_t step : {7u, 100u, 10'000u}) {
    JsonFramer framer(1000);
    const std::string text = large + "{\"a\":1}" + large + "\n{\"b\":2}";
    std::vector<size_t> cuts;
    for (size_t at = step; at < text.size(); at += step) cuts.push_back(at);
    const Taken taken = feed(framer, text, cuts);
    EXPECT_EQ(taken.messages, (Texts{"{\"a\":1}", "{\"b\":2}"})) << step;
    EXPECT_EQ(taken.problems.size(), 2u) << step;
  }
}

TEST(JsonFramer, NothingIsDeeperThanTheCodecTakes) {
  EXPECT_EQ(json(std::string(200, '[') + std::string(200, ']') + "\n{\"b\":2}").messages,
            Texts{"{\"b\":2}"});
  EXPECT_EQ(json(std::string(100, '[') + std::string(100, ']')).messages.size(), 1u);
}

TEST(JsonFramer, AfterTheEndItBeginsAnew) {
  JsonFramer framer(1000);
  for (const char* broken : {"garbage", "{\"a\":", "{\"a\"", "[[", "{\"a", ""}) {
    (void)feed(framer, broken, {});
    EXPECT_EQ(feed(framer, "{\"b\":2}", {}).messages, Texts{"{\"b\":2}"}) << broken;
  }
}

// The reference: every prefix is tried with the real parser until one is a whole document.
Texts documents_by_trial(std::string_view text) {
  Texts found;
  JsonToMsgpack parser;
  size_t begin = 0;
  while (begin < text.size()) {
    if (text[begin] != '{' && text[begin] != '[') {
      ++begin;
      continue;
    }
    size_t size = 1;
    std::string out;
    while (begin + size <= text.size() &&
           !parser.append_value(text.substr(begin, size), out).has_value()) {
      ++size;
    }
    if (begin + size > text.size()) break;
    found.emplace_back(text.substr(begin, size));
    begin += size;
  }
  return found;
}

TEST(JsonFramer, FindsWhatTryingEveryPrefixFinds) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const Texts pieces = {"{\"a\":1}",
                        "[]",
                        "{}",
                        "{\"x\":\"\\\\\\\"}\"}",
                        "[[1,2],{\"q\":null}]",
                        "\n",
                        " \t ",
                        "\r\n",
                        "{\"t\":\"\xe7\x8b\xbc\"}",
                        "[-1.5e3,true]",
                        "{\"k\":{\"l\":[\"]\"]}}"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (uint64_t n = random() % 20; n > 0; --n) text += pieces[random() % pieces.size()];
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); at += 1 + random() % 9) cuts.push_back(at);
    JsonFramer framer(1 << 20);
    const Taken taken = feed(framer, text, cuts);
    ASSERT_EQ(taken.messages, documents_by_trial(text)) << "seed " << seed << ": " << text;
    ASSERT_TRUE(taken.problems.empty()) << "seed " << seed << ": " << text;
  }
}

TEST(JsonFramer, BrokenBytesInAnyPiecesGiveTheSame) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  constexpr std::string_view kLetters = "{}[]\",:\\\n 1atx";
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t n = random() % 60; n > 0; --n) text += kLetters[random() % kLetters.size()];
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); at += 1 + random() % 5) cuts.push_back(at);
    JsonFramer whole(1 << 20), pieces(1 << 20);
    const Taken once = feed(whole, text, {});
    ASSERT_EQ(feed(pieces, text, cuts), once) << "seed " << seed << ": " << text;
  }
}

TEST(SeparatorFramer, LinesAndTheLastOneWithoutASeparator) {
  EXPECT_EQ(lines("one\n\n\ntwo\r\nlast").messages, (Texts{"one", "two\r", "last"}));
  EXPECT_EQ(lines("a||b||||c|", "||").messages, (Texts{"a", "b", "c|"}));
  EXPECT_TRUE(lines("\n\n").messages.empty());
}

TEST(SeparatorFramer, ALongLineComesInPiecesAndIsSaid) {
  const Taken taken = lines(std::string(2500, 'x') + "\nnext\n");
  EXPECT_EQ(taken.messages,
            (Texts{std::string(1000, 'x'), std::string(1000, 'x'), std::string(500, 'x'), "next"}));
  EXPECT_EQ(taken.problems.size(), 2u);
}

TEST(SeparatorFramer, AnyPiecesGiveWhatSplittingGives) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  for (int round = 0; round < 1000; ++round) {
    const std::string separator = round % 2 == 0 ? "\n" : "\n|";
    std::string text;
    for (uint64_t n = random() % 60; n > 0; --n) text += "ab\n|"[random() % 4];
    Texts expected;
    for (size_t from = 0; from < text.size();) {
      const size_t at = std::min(text.find(separator, from), text.size());
      if (at != from) expected.push_back(text.substr(from, at - from));
      from = at + separator.size();
    }
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); at += 1 + random() % 5) cuts.push_back(at);
    SeparatorFramer framer(separator, 1000);
    ASSERT_EQ(feed(framer, text, cuts).messages, expected) << "seed " << seed << ": " << text;
  }
}

TEST(JsonReader, ObjectsArraysAndOneBadByte) {
  ManualClock clock(Timestamp(Seconds(1000)));
  JsonReader reader("from", clock);
  Chunk chunk;
  EXPECT_TRUE(reader.append("{\"a\":1}", "tcp://127.0.0.1:5", chunk));
  EXPECT_TRUE(reader.append("[1,2]", "tcp://127.0.0.1:5", chunk));
  EXPECT_TRUE(reader.append("{\"a\":\"x\xff\"}", "", chunk));
  EXPECT_FALSE(reader.append("{\"a\":01}", "", chunk));
  EXPECT_FALSE(reader.problem().empty());
  ASSERT_EQ(chunk.records.size(), 3u);
  const ChunkView view = chunk.view();
  EXPECT_EQ(view.record(view.records[0]), record_of(R"({"a":1,"from":"tcp://127.0.0.1:5"})"));
  EXPECT_EQ(view.record(view.records[1]), record_of(R"({"msg":[1,2],"from":"tcp://127.0.0.1:5"})"));
  EXPECT_EQ(view.record(view.records[2]), record_of("{\"a\":\"x\xef\xbf\xbd\"}"));
  EXPECT_EQ(view.records[0].time, Timestamp(Seconds(1000)));
}

}  // namespace
}  // namespace noroshi
