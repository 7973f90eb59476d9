// The protocol without sockets: every row of firelens-contract §3.4, where ours differs from Fluent
// Bit's and where not, and random streams, cut at every byte, against the slow reference decoder.
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "input/forward/decode_stream.h"
#include "input/forward/extent.h"
#include "input/forward/frame_builder.h"
#include "record/msgpack_reader.h"

namespace noroshi::forward {
namespace {

const Timestamp kTime{Seconds(1'700'000'000)};

class Protocol : public testing::Test {
 protected:
  ReferenceResult decode(std::string_view stream) { return decode_stream(stream, clock_); }
  // One record tagged "app" with that time, and nothing wrong.
  void expect_one(const std::string& stream, Timestamp time, std::string_view record,
                  std::string_view metadata = {}) {
    const ReferenceResult result = decode(stream);
    ASSERT_EQ(result.records.size(), 1u);
    EXPECT_EQ(result.records[0].tag, "app");
    EXPECT_EQ(result.records[0].time, time);
    EXPECT_EQ(result.records[0].record, record);
    EXPECT_EQ(result.records[0].metadata, metadata);
    EXPECT_EQ(result.malformed, 0u);
    EXPECT_FALSE(result.closed);
  }

  ManualClock clock_{kReferenceArrival};
  const std::string record_ = log_record("GET /health 200");
  const std::string time_ = integer(1'700'000'000);
  const std::string entry_ = array({time_, record_});
};

// ---- accepted by Fluent Bit too

TEST_F(Protocol, MessageWithEveryOptionForm) {
  expect_one(array({text("app"), time_, record_}), kTime, record_);
  expect_one(array({text("app"), time_, record_, map({})}), kTime, record_);
  expect_one(array({text("app"), time_, record_, "\xc0"}), kTime, record_);
  expect_one(
      array({text("app"), time_, record_, map({text("size"), integer(1), integer(7), "\xc0"})}),
      kTime, record_);
  expect_one(array({text("app"), time_, record_, integer(5), text("later versions")}), kTime,
             record_);
}

TEST_F(Protocol, Times) {
  const Timestamp precise = Timestamp(Seconds(1'700'000'000)) + Nanoseconds(123'456'789);
  expect_one(message("app", event_time(1'700'000'000, 123'456'789), record_), precise, record_);
  expect_one(message("app", event_time(1'700'000'000, 123'456'789, true), record_), precise,
             record_);
  expect_one(message("app", event_time(4'000'000'000, 0), record_),
             Timestamp(Seconds(4'000'000'000)), record_);
  expect_one(message("app", integer(0), record_), Timestamp{}, record_);
  for (const std::string& entries : {array({number(1'700'000'000.5), record_})}) {
    expect_one(array({text("app"), array({entries})}), kTime + Milliseconds(500), record_);
  }
}

TEST_F(Protocol, ForwardAndPackedForwardAsBinAndStr) {
  for (const std::string& second :
       {array({entry_, entry_}), binary(entry_ + entry_), text(entry_ + entry_)}) {
    for (const char* option : {"", "\x80", "\xc0"}) {
      const std::string stream = *option == '\0'
                                     ? array({text("app"), second})
                                     : array({text("app"), second, std::string(option)});
      const ReferenceResult result = decode(stream);
      EXPECT_EQ(result.records.size(), 2u);
      EXPECT_EQ(result.malformed, 0u);
    }
  }
}

TEST_F(Protocol, GzipOfOneAndSeveralMembersAndWithoutTheOption) {
  const std::string twice = gzip(entry_) + gzip(entry_);
  for (const std::string& payload :
       {gzip(entry_ + entry_), twice, twice + std::string(512, '\0')}) {
    for (const std::string& option :
         {map({text("compressed"), text("gzip")}), map({}), std::string("\xc0")}) {
      const ReferenceResult result = decode(packed("app", payload, option));
      EXPECT_EQ(result.records.size(), 2u);
      EXPECT_EQ(result.malformed, 0u);
    }
  }
  EXPECT_EQ(decode(packed("app", gzip(""), ack_option("x"))).acks.size(), 1u);
}

TEST_F(Protocol, AnEntryMayGoAcrossGzipMembers) {
  const std::string entries = entry_ + entry_ + entry_;
  for (size_t cut = 0; cut <= entries.size(); ++cut) {
    const auto payload = gzip(entries.substr(0, cut)) + gzip(entries.substr(cut));
    const ReferenceResult result =
        decode(packed("app", payload, map({text("compressed"), text("gzip")})));
    EXPECT_EQ(result.records.size(), 3u) << cut;
    EXPECT_EQ(result.malformed, 0u) << cut;
  }
}

TEST_F(Protocol, Zstd) {
  const auto zstd = [](std::string_view plain) {
    std::string out(ZSTD_compressBound(plain.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
    return out;
  };
  for (const std::string& option : {map({text("compressed"), text("zstd")}), map({})}) {
    const ReferenceResult result =
        decode(packed("app", zstd(entry_) + zstd(entry_ + entry_), option));
    EXPECT_EQ(result.records.size(), 3u);
    EXPECT_EQ(result.malformed, 0u);
  }
}

TEST_F(Protocol, CompressedTextIsPlain) {
  expect_one(packed("app", entry_, map({text("compressed"), text("text")})), kTime, record_);
}

TEST_F(Protocol, BinaryAndInvalidUtf8InRecordsPassUntouched) {
  const std::string record =
      map({binary("log"), text("\xff\xfe broken"), text("data"), binary(std::string("\0\1", 2))});
  expect_one(message("app", time_, record), kTime, record);
}

TEST_F(Protocol, MetadataOfEntriesAndOfMessages) {
  const std::string metadata = map({text("severity"), text("ERROR")});
  const std::string with = array({array({time_, metadata}), record_});
  expect_one(array({text("app"), array({with})}), kTime, record_, metadata);
  expect_one(packed("app", with, map({text("fluent_signal"), integer(0)})), kTime, record_,
             metadata);
  expect_one(array({text("app"), time_, record_, map({text("metadata"), metadata})}), kTime,
             record_, metadata);
  // {} is what Fluent Bit sends with every record: not worth storing.
  expect_one(packed("app", array({array({time_, map({})}), record_}), map({})), kTime, record_);
}

// ---- where Fluent Bit closes the connection or acknowledges what it lost

TEST_F(Protocol, FloatAndNegativeTimesInMessages) {
  expect_one(message("app", number(1'700'000'000.25), record_), kTime + Milliseconds(250), record_);
  expect_one(message("app", number(-0.5), record_), Timestamp(Milliseconds(-500)), record_);
  expect_one(message("app", integer(-3600), record_), Timestamp(Seconds(-3600)), record_);
  expect_one(message("app", std::string("\xca\x4e\xca\x7e\x00", 5), record_),
             Timestamp(Seconds(1'698'627'584)), record_);
}

TEST_F(Protocol, ATimeThatCannotBeIsReplacedByTheTimeOfArrival) {
  for (const std::string& time :
       {integer(1'700'000'000'000), integer(INT64_MIN), number(1e300), number(NAN),
        std::string("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9)}) {
    expect_one(message("app", time, record_), kReferenceArrival, record_);
  }
}

TEST_F(Protocol, TagAndChunkAsBin) {
  expect_one(array({binary("app"), time_, record_}), kTime, record_);
  const ReferenceResult result =
      decode(array({text("app"), array({entry_}), map({binary("chunk"), binary("id")})}));
  ASSERT_EQ(result.acks.size(), 1u);
  EXPECT_EQ(result.acks[0], binary("id")) << "echoed as it came";
}

TEST_F(Protocol, HeartbeatsAreIgnored) {
  const ReferenceResult result =
      decode("\xc0" + message("app", time_, record_) + "\xc0\xc0" + message("app", time_, record_));
  EXPECT_EQ(result.records.size(), 2u);
  EXPECT_EQ(result.malformed, 0u);
}

TEST_F(Protocol, BadFramesAreSkippedAndTheNextOneIsTaken) {
  for (const std::string& bad :
       {array({}), array({text("app")}), array({text("app"), time_}),
        array({integer(1), time_, record_}), array({text("app"), time_, text("not a map")}),
        array({text("app"), time_, array({})}),
        array({text("app"), text("x"), map({text("compressed"), text("snappy")})}),
        array({text("app"), "\xc0", record_}), array({text("app"), "\xc3", record_}),
        array({text("app"), std::string("\xd6\x00\x01\x02\x03\x04", 6), record_}),
        array({text(std::string(1025, 't')), time_, record_}),
        array({text("app"), array({}), ack_option(std::string(2000, 'x'))})}) {
    const ReferenceResult result = decode(bad + message("app", time_, record_));
    EXPECT_EQ(result.records.size(), 1u) << testing::PrintToString(bad);
    EXPECT_EQ(result.malformed, 1u) << testing::PrintToString(bad);
    EXPECT_FALSE(result.closed);
  }
}

TEST_F(Protocol, ABadEntryCostsOnlyItself) {
  for (const std::string& bad :
       {integer(7), text("garbage"), array({}), array({time_}), array({time_, text("x")}),
        array({text("yesterday"), record_}), array({array({}), record_}), map({})}) {
    for (const std::string& second : {array({entry_, bad, entry_}), binary(entry_ + bad + entry_),
                                      binary(gzip(entry_ + bad + entry_))}) {
      const ReferenceResult result = decode(array({text("app"), second, ack_option("id")}));
      EXPECT_EQ(result.records.size(), 2u) << testing::PrintToString(bad);
      EXPECT_EQ(result.malformed, 1u) << testing::PrintToString(bad);
      EXPECT_TRUE(result.acks.empty()) << "only what was stored whole is acknowledged";
    }
  }
}

TEST_F(Protocol, CutOffAndBrokenPayloadsAreNotAcknowledged) {
  const std::string compressed = gzip(entry_ + entry_);
  std::string wrong_checksum = compressed;
  wrong_checksum[compressed.size() - 8] ^= 1;
  std::string broken = compressed;
  broken[14] ^= 0x55;
  for (const std::string& payload :
       {(entry_ + entry_).substr(0, 2 * entry_.size() - 1), entry_ + "\xc1", wrong_checksum, broken,
        compressed.substr(0, compressed.size() - 9), compressed.substr(0, 12),
        compressed + "trailing text"}) {
    const ReferenceResult result =
        decode(packed("app", payload, ack_option("id")) + message("app", time_, record_));
    EXPECT_TRUE(result.acks.empty()) << testing::PrintToString(payload);
    EXPECT_EQ(result.malformed, 1u) << testing::PrintToString(payload);
    ASSERT_FALSE(result.records.empty());
    EXPECT_EQ(result.records.back().record, record_) << "the connection goes on";
  }
}

TEST_F(Protocol, WhatCameBeforeABreakIsStored) {
  EXPECT_EQ(decode(packed("app", entry_ + entry_ + "\x92", ack_option("id"))).records.size(), 2u);
  const std::string member = gzip(entry_ + entry_);
  EXPECT_EQ(decode(packed("app", member + member.substr(0, 15), ack_option("id"))).records.size(),
            2u);
}

TEST_F(Protocol, AnEmptyForwardIsAcknowledged) {
  EXPECT_EQ(decode(array({text("app"), array({}), ack_option("id")})).acks.size(), 1u);
  EXPECT_EQ(decode(packed("app", "", ack_option("id"))).acks.size(), 1u);
}

TEST_F(Protocol, MetricsAndTracesAreRefusedWithoutAnAck) {
  for (const int signal : {1, 2}) {
    const ReferenceResult result =
        decode(packed("app", "cmetrics",
                      map({text("fluent_signal"), integer(signal), text("chunk"), text("id")})));
    EXPECT_EQ(result.malformed, 1u);
    EXPECT_TRUE(result.acks.empty());
    EXPECT_FALSE(result.closed);
  }
}

TEST_F(Protocol, FluentBitsGroupMarkersAreNoRecords) {
  const std::string group = array({event_time(0xffffffff, 0), map({text("resource"), map({})})}) +
                            entry_ + array({event_time(0xfffffffe, 0), map({})});
  const ReferenceResult result = decode(packed("app", group, ack_option("id")));
  EXPECT_EQ(result.records.size(), 1u);
  EXPECT_EQ(result.malformed, 0u);
  EXPECT_EQ(result.acks.size(), 1u);
}

TEST_F(Protocol, RecordsTooDeepAreRefusedAloneAndDeepOnesTaken) {
  const auto nested = [](int depth) {
    std::string value = text("bottom");
    for (int n = 0; n < depth; ++n) value = array({value});
    return map({text("log"), value});
  };
  const std::string deepest = nested(99);  // 100 with the record itself
  expect_one(message("app", time_, deepest), kTime, deepest);
  for (const int depth : {100, 1000, 100'000}) {
    const ReferenceResult result =
        decode(message("app", time_, nested(depth)) +
               packed("app", array({time_, nested(depth)}) + entry_, map({})));
    EXPECT_EQ(result.records.size(), 1u) << depth;
    EXPECT_EQ(result.malformed, 2u) << depth;
    EXPECT_FALSE(result.closed);
  }
}

TEST_F(Protocol, WideRecordsAreNotTakenForDeepOnes) {
  std::vector<std::string> pairs;
  for (int n = 0; n < 500; ++n)
    pairs.insert(pairs.end(), {text("k" + std::to_string(n)), array({})});
  expect_one(message("app", time_, map(pairs)), kTime, map(pairs));
}

TEST_F(Protocol, OtherProtocolsAreRecognised) {
  for (const char* bytes : {"{\"tag\":1}", "[\"tag\",1,{}]", "GET / HTTP/1.1\r\n",
                            "\x16\x03\x01\x02", "\xc1", "\x80", "\xa3tag"}) {
    EXPECT_TRUE(decode(bytes).closed) << bytes;
  }
  EXPECT_TRUE(decode(message("app", time_, record_) + "x").closed);
  EXPECT_NE(guess_protocol("[\"tag\"").find("JSON"), std::string_view::npos);
  EXPECT_NE(guess_protocol("\x16\x03\x01").find("TLS"), std::string_view::npos);
  EXPECT_NE(guess_protocol("POST / HTTP/1.1").find("HTTP"), std::string_view::npos);
}

TEST_F(Protocol, HugePromisesAreRefusedFromTheHeader) {
  const uint64_t max = 1 << 20;
  for (const char* head : {"\x92\xa3"
                           "app\xc6\x40\x00\x00\x00",
                           "\x92\xa3"
                           "app\xdd\x40\x00\x00\x00",
                           "\x93\xa3"
                           "app\x01\xdf\x40\x00\x00\x00",
                           "\xdd\xff\xff\xff\xff", "\x92\xdb\xff\xff\xff\xff"}) {
    FrameScanner scanner;
    const std::string bytes(head, head[0] == '\xdd'   ? 5
                                  : head[1] == '\xdb' ? 6
                                  : head[0] == '\x93' ? 11
                                                      : 10);
    EXPECT_EQ(scanner.scan(bytes, max), FrameScanner::Outcome::TooLarge)
        << testing::PrintToString(bytes);
  }
  FrameScanner scanner;
  const std::string exact = message("app", time_, log_record(std::string(1000, 'x')));
  EXPECT_EQ(scanner.scan(exact, exact.size()), FrameScanner::Outcome::Frame);
  scanner.reset();
  EXPECT_EQ(scanner.scan(exact, exact.size() - 1), FrameScanner::Outcome::TooLarge);
}

TEST_F(Protocol, ABombEndsAtTheLimitAndWhatCameBeforeIsKept) {
  std::string entries;
  while (entries.size() < 3 << 20) entries += array({time_, log_record(std::string(1000, 'a'))});
  const std::string stream = packed("app", gzip(entries), ack_option("id"));
  EXPECT_LT(stream.size(), 64u << 10);
  StreamDecoder decoder(clock_, 12 << 20, 1 << 20);
  decoder.take(stream);
  EXPECT_EQ(decoder.result.malformed, 1u);
  EXPECT_TRUE(decoder.result.acks.empty());
  EXPECT_GT(decoder.result.records.size(), 500u);
  EXPECT_LT(decoder.result.records.size(), 1100u);

  StreamDecoder roomy(clock_);
  roomy.take(stream);
  EXPECT_EQ(roomy.result.malformed, 0u);
  EXPECT_EQ(roomy.result.acks.size(), 1u);
}

TEST_F(Protocol, ABombOfBadEntriesIsNotDecodedToItsEnd) {
  const std::string stream =
      packed("app", gzip(entry_ + std::string(4 << 20, '\0')), ack_option("id"));
  StreamDecoder decoder(clock_);
  decoder.take(stream);
  EXPECT_EQ(decoder.result.malformed, kMalformedEntriesMax);
  EXPECT_EQ(decoder.result.records.size(), 1u);
  EXPECT_TRUE(decoder.result.acks.empty());
}

TEST_F(Protocol, RecordsUpToTheLargestPassCompressedAndPlain) {
  const std::string large = log_record(std::string(kChunkBodyBytesMax - 16, 'x'));
  ASSERT_LE(large.size(), kChunkBodyBytesMax);
  const std::string small_ones = entry_ + entry_;
  for (const std::string& entries : {small_ones + array({time_, large}) + small_ones}) {
    for (const std::string& payload : {entries, gzip(entries)}) {
      const ReferenceResult result = decode(packed("app", payload, map({})));
      ASSERT_EQ(result.records.size(), 5u);
      EXPECT_EQ(result.records[2].record.size(), large.size());
      EXPECT_EQ(result.malformed, 0u);
    }
  }
  const std::string larger =
      array({time_, log_record(std::string(kChunkBodyBytesMax + 8192, 'x'))});
  EXPECT_EQ(decode(packed("app", larger + entry_, map({}))).records.size(), 1u);
  const ReferenceResult result = decode(packed("app", gzip(entry_ + larger + entry_), map({})));
  EXPECT_EQ(result.malformed, 1u);
  EXPECT_EQ(result.records.size(), 1u);
}

TEST_F(Protocol, ManyTinyGzipMembersAreNotSlow) {
  // One entry of 60,000 values, one member per value: quadratic scanning would take minutes.
  const std::string member = gzip(std::string(1, '\xc0'));
  std::string payload = gzip(array({time_}).replace(0, 1, "\x92") +
                             std::string("\x81\xa3log\xdd\x00\x00\xea\x60", 10));
  for (int n = 0; n < 60'000; ++n) payload += member;
  const ReferenceResult result =
      decode(packed("app", payload, map({text("compressed"), text("gzip")})));
  EXPECT_EQ(result.records.size(), 1u);
  EXPECT_EQ(result.malformed, 0u);
}

// ---- random streams

class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : random_(seed) {}

  std::string stream() {
    std::string out;
    const int frames = below(6) + 1;
    for (int n = 0; n < frames; ++n) out += frame();
    if (below(20) == 0) out += "\xc1";
    if (below(20) == 0) out.resize(out.size() - std::min<size_t>(out.size(), below(10)));
    return out;
  }

 private:
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }

  std::string time() {
    switch (below(12)) {
      case 0:
        return integer(-static_cast<int64_t>(random_() % 10'000'000));
      case 1:
        return number(static_cast<double>(random_() % 4'000'000'000) / 7);
      case 2:
        return integer(static_cast<int64_t>(random_()));
      case 3:
        return event_time(static_cast<uint32_t>(random_()), below(1'000'000'000), true);
      case 4:
        return below(3) == 0 ? event_time(0xfffffffe + below(2), 0) : event_time(1, 0xffffffff);
      case 5:
        return below(3) == 0 ? value(1) : array({integer(5), value(2)});
      default:
        return event_time(static_cast<uint32_t>(random_()), below(1'000'000'000));
    }
  }
  std::string value(int depth) {
    const auto many = [&] {
      std::vector<std::string> items(below(4));
      for (auto& item : items) item = value(depth - 1);
      return items;
    };
    switch (depth <= 0 ? below(7) : below(9)) {
      case 0:
        return integer(static_cast<int64_t>(random_()) >> below(64));
      case 1:
        return number(static_cast<double>(random_()));
      case 2:
        return std::string(1, "\xc0\xc2\xc3"[below(3)]);
      case 3:
        return binary(std::string(below(40), 'b'));
      case 4:
        return std::string("\xd4\x05z");
      case 5:
        return text(std::string(below(300), 's'));
      case 6:
        return text("x");
      case 7:
        return array(many());
      default:
        return record(depth - 1);
    }
  }
  std::string record(int depth = 3) {
    std::vector<std::string> pairs;
    for (uint32_t n = below(5); n > 0; --n) pairs.insert(pairs.end(), {text("key"), value(depth)});
    return map(pairs);
  }
  std::string entry() {
    switch (below(20)) {
      case 0:
        return value(2);
      case 1:
        return array({array({time(), record()}), record()});
      case 2:
        return array({time(), value(2)});
      case 3:
        return array({time(), record(), value(1)});
      case 4:
        return array({array({}), record()});
      default:
        return array({time(), record()});
    }
  }
  std::string option() {
    std::vector<std::string> pairs;
    if (below(2) == 0) pairs.insert(pairs.end(), {text("chunk"), text(std::to_string(random_()))});
    if (below(4) == 0) pairs.insert(pairs.end(), {text("size"), integer(below(10))});
    if (below(6) == 0) pairs.insert(pairs.end(), {text("metadata"), record()});
    if (below(12) == 0) pairs.insert(pairs.end(), {text("fluent_signal"), integer(below(3))});
    if (below(12) == 0) pairs.insert(pairs.end(), {value(1), value(1)});
    return map(pairs);
  }
  std::string frame() {
    const std::string tag =
        below(8) == 0 ? binary("tag.b") : text("tag." + std::to_string(below(3)));
    std::vector<std::string> elements = {tag};
    std::vector<std::string> entries(below(6));
    for (auto& each : entries) each = entry();
    std::string joined;
    for (const auto& each : entries) joined += each;
    switch (below(10)) {
      case 0:
        return "\xc0";
      case 1:
        elements.push_back(value(2));
        break;
      case 2:
        elements = {value(1), time(), record()};
        break;
      case 3:
        elements.push_back(array(entries));
        break;
      case 4:
        elements.push_back(text(joined));
        break;
      case 5:
        elements.push_back(binary(joined));
        break;
      case 6:
        joined.resize(joined.size() - std::min<size_t>(joined.size(), below(5)));
        elements.push_back(binary(joined));
        break;
      default:
        elements.insert(elements.end(), {time(), record()});
    }
    if (below(3) != 0) elements.push_back(below(6) == 0 ? value(1) : option());
    return array(elements);
  }

  std::mt19937_64 random_;
};

void expect_same(const ReferenceResult& got, const ReferenceResult& want, const std::string& note) {
  ASSERT_EQ(got.records.size(), want.records.size()) << note;
  for (size_t n = 0; n < want.records.size(); ++n) {
    EXPECT_EQ(got.records[n].tag, want.records[n].tag) << note;
    EXPECT_EQ(got.records[n].time.time_since_epoch().count(),
              want.records[n].time.time_since_epoch().count())
        << note;
    EXPECT_EQ(got.records[n].record, want.records[n].record) << note;
    EXPECT_EQ(got.records[n].metadata, want.records[n].metadata) << note;
  }
  EXPECT_EQ(got.acks, want.acks) << note;
  EXPECT_EQ(got.malformed, want.malformed) << note;
}

TEST_F(Protocol, RandomStreamsDecodeAsTheReferenceSaysHoweverTheyAreCut) {
  const uint64_t seed = std::random_device()();
  for (uint64_t round = 0; round < 1500 && !HasFailure(); ++round) {
    RandomStream random(seed + round);
    const std::string stream = random.stream();
    const std::string note =
        "seed " + std::to_string(seed + round) + ": " + testing::PrintToString(stream);
    const ReferenceResult want = ReferenceDecoder::decode(stream);
    expect_same(decode(stream), want, note);

    StreamDecoder bytewise(clock_);
    for (const char byte : stream) bytewise.take(std::string_view(&byte, 1));
    expect_same(bytewise.result, want, note + " byte by byte");

    if (round >= 60) continue;
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
      StreamDecoder halves(clock_);
      halves.take(std::string_view(stream).substr(0, cut));
      halves.take(std::string_view(stream).substr(cut));
      expect_same(halves.result, want, note + " cut at " + std::to_string(cut));
      if (HasFailure()) break;
    }
  }
}

TEST_F(Protocol, CompressedStreamsDecodeAsPlainOnes) {
  const uint64_t seed = std::random_device()();
  for (uint64_t round = 0; round < 300 && !HasFailure(); ++round) {
    std::mt19937_64 random(seed + round);
    std::string entries;
    for (uint64_t n = random() % 2000; n > 0; --n) {
      entries +=
          array({event_time(static_cast<uint32_t>(random()), 0),
                 log_record(std::string(random() % 3 == 0 ? random() % 400 : random() % 20, 'a'))});
    }
    std::string payload;
    for (size_t at = 0; at < entries.size();) {
      const size_t size = std::min<size_t>(random() % 70'000 + 1, entries.size() - at);
      payload += gzip(std::string_view(entries).substr(at, size));
      at += size;
    }
    expect_same(decode(packed("app", payload, map({text("compressed"), text("gzip")}))),
                decode(packed("app", entries, map({}))), "seed " + std::to_string(seed + round));
  }
}

TEST(Extent, AgreesWithTheReaderOnEveryHead) {
  for (int first = 0; first < 256; ++first) {
    std::string bytes(1, static_cast<char>(first));
    bytes += std::string(600, '\x01');
    const Extent extent = extent_of(bytes);
    MsgpackReader reader(bytes);
    const auto value = reader.skip();
    if (value) {
      EXPECT_EQ(extent.status, HeadStatus::Ok) << first;
      EXPECT_EQ(extent.size, value->size()) << first;
      for (size_t cut = 0; cut < value->size(); ++cut) {
        EXPECT_EQ(extent_of(std::string_view(bytes).substr(0, cut)).status, HeadStatus::Truncated)
            << first;
      }
    } else {
      EXPECT_EQ(extent.status, value.error() == MsgpackError::Truncated ? HeadStatus::Truncated
                                                                        : HeadStatus::Invalid)
          << first;
    }
  }
}

}  // namespace
}  // namespace noroshi::forward
