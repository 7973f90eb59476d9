#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/random_value.h"

namespace noroshi {
namespace {

using namespace std::string_literals;

template <typename... Bytes>
std::string bytes(Bytes... values) {
  return {static_cast<char>(values)...};
}

Timestamp at(int64_t seconds, int64_t nanoseconds = 0) {
  return Timestamp(Seconds(seconds) + Nanoseconds(nanoseconds));
}

MsgpackError error_of(const std::string& text) {
  const auto status = validate_msgpack(text);
  EXPECT_FALSE(status.has_value());
  return status ? MsgpackError::WrongType : status.error();
}

TEST(MsgpackWriter, ShortestForms) {
  const auto written = [](auto&& write) {
    std::string out;
    MsgpackWriter writer(out);
    write(writer);
    return out;
  };
  const auto integer = [&](int64_t v) { return written([&](auto& w) { w.integer(v); }); };
  EXPECT_EQ(integer(0), bytes(0));
  EXPECT_EQ(integer(127), bytes(0x7f));
  EXPECT_EQ(integer(128), bytes(0xcc, 0x80));
  EXPECT_EQ(integer(255), bytes(0xcc, 0xff));
  EXPECT_EQ(integer(256), bytes(0xcd, 1, 0));
  EXPECT_EQ(integer(65536), bytes(0xce, 0, 1, 0, 0));
  EXPECT_EQ(integer(int64_t{1} << 32), bytes(0xcf, 0, 0, 0, 1, 0, 0, 0, 0));
  EXPECT_EQ(integer(-1), bytes(0xff));
  EXPECT_EQ(integer(-32), bytes(0xe0));
  EXPECT_EQ(integer(-33), bytes(0xd0, 0xdf));
  EXPECT_EQ(integer(-129), bytes(0xd1, 0xff, 0x7f));
  EXPECT_EQ(integer(-32769), bytes(0xd2, 0xff, 0xff, 0x7f, 0xff));
  EXPECT_EQ(integer(INT64_MIN), bytes(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(written([](auto& w) { w.string("ab"); }),
            "\xa2"
            "ab");
  EXPECT_EQ(written([](auto& w) { w.string(std::string(32, 'x')); }).substr(0, 2), "\xd9\x20");
  EXPECT_EQ(written([](auto& w) { w.string(std::string(256, 'x')); }).substr(0, 3), "\xda\x01\0"s);
  EXPECT_EQ(written([](auto& w) { w.binary("a"); }),
            "\xc4\x01"
            "a");
  EXPECT_EQ(written([](auto& w) { w.extension(5, "abcd"); }),
            "\xd6\x05"
            "abcd");
  EXPECT_EQ(written([](auto& w) { w.extension(-1, "abc"); }),
            "\xc7\x03\xff"
            "abc");
  EXPECT_EQ(written([](auto& w) { w.extension(1, ""); }), "\xc7\0\x01"s);
  EXPECT_EQ(written([](auto& w) { w.time(at(1, 2)); }), bytes(0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2));
  EXPECT_EQ(written([](auto& w) { w.time(at(-5)); }), bytes(0xfb));
  EXPECT_EQ(written([](auto& w) { w.map_header(16); }), bytes(0xde, 0, 16));
  EXPECT_EQ(written([](auto& w) { w.array_header(65536); }), bytes(0xdd, 0, 1, 0, 0));
}

TEST(MsgpackWriter, HeadsAreFilledInAtTheEnd) {
  for (const uint32_t count : {0u, 1u, 15u, 16u, 65535u, 65536u}) {
    std::string known, later = "before";
    MsgpackWriter a(known), b(later);
    a.map_header(count);
    const size_t begin = b.begin_map();
    for (uint32_t i = 0; i < count; ++i) {
      a.integer(i), a.nil();
      b.integer(i), b.nil();
    }
    b.end_map(begin, count);
    EXPECT_EQ(later, "before" + known) << count;
  }
  std::string out;
  MsgpackWriter writer(out);
  const size_t begin = writer.begin_array();
  for (int i = 0; i < 20; ++i) writer.integer(i);
  writer.end_array(begin, 20);
  EXPECT_EQ(out.substr(0, 3), "\xdc\0\x14"s);
  EXPECT_TRUE(validate_msgpack(out).has_value());
}

TEST(MsgpackReader, EveryTruncationIsTruncated) {
  RandomValue random(1);
  for (int round = 0; round < 300; ++round) {
    std::string value;
    random.append(value, false);
    if (value.size() > 4000) continue;
    ASSERT_TRUE(validate_msgpack(value).has_value());
    for (size_t size = 0; size < value.size(); ++size) {
      // An exact copy, so that AddressSanitizer sees a read past the end.
      const std::vector<char> cut(value.begin(), value.begin() + static_cast<ptrdiff_t>(size));
      const auto status = validate_msgpack({cut.data(), cut.size()});
      ASSERT_FALSE(status.has_value());
      ASSERT_EQ(status.error(), MsgpackError::Truncated) << size << " of " << value.size();
    }
    value += '\xc0';
    EXPECT_EQ(error_of(value), MsgpackError::Malformed) << "bytes left over";
  }
}

TEST(MsgpackReader, HostileHeadersCostNothing) {
  EXPECT_EQ(error_of("\xdb\x40\0\0\0x"s), MsgpackError::Truncated);
  EXPECT_EQ(error_of("\xdd\xff\xff\xff\xff"), MsgpackError::Truncated);
  EXPECT_EQ(error_of("\xdf\xff\xff\xff\xff\x01"), MsgpackError::Truncated);
  EXPECT_EQ(error_of("\xc9\xff\xff\xff\xff"), MsgpackError::Truncated);
  EXPECT_EQ(error_of("\xc1"), MsgpackError::Malformed);
  EXPECT_EQ(error_of("\x92\x01\xc1"), MsgpackError::Malformed);
}

TEST(MsgpackReader, DepthIsBounded) {
  std::string deep(kMsgpackDepthMax, '\x91');
  deep += '\xc0';
  EXPECT_TRUE(validate_msgpack(deep).has_value());
  EXPECT_EQ(error_of("\x91" + deep), MsgpackError::TooDeep);
  EXPECT_EQ(error_of(std::string(10000, '\x91') + "\xc0"), MsgpackError::TooDeep);
  EXPECT_EQ(error_of(std::string(1000000, '\x91')), MsgpackError::TooDeep);
  std::string maps;
  for (int i = 0; i < 10000; ++i) maps += "\x81\xa1k";
  EXPECT_EQ(error_of(maps), MsgpackError::TooDeep);
  EXPECT_TRUE(validate_msgpack("\x90").has_value());
}

TEST(MsgpackReader, WrongTypeDoesNotMove) {
  const std::string text = "\xa2hi";
  MsgpackReader reader(text);
  EXPECT_EQ(reader.read_int().error(), MsgpackError::WrongType);
  EXPECT_EQ(reader.read_map().error(), MsgpackError::WrongType);
  EXPECT_EQ(reader.read_bool().error(), MsgpackError::WrongType);
  EXPECT_EQ(reader.read_nil().error(), MsgpackError::WrongType);
  EXPECT_EQ(reader.read_float().error(), MsgpackError::WrongType);
  EXPECT_EQ(reader.read_time().error(), MsgpackError::WrongType);
  EXPECT_EQ(reader.position(), 0u);
  EXPECT_EQ(reader.read_binary().value(), "hi");
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(reader.next().error(), MsgpackError::Truncated);
}

TEST(MsgpackReader, Integers) {
  const auto read = [](const std::string& text) { return MsgpackReader(text).read_int(); };
  EXPECT_EQ(read(bytes(0xd0, 5)).value(), 5);
  EXPECT_EQ(read(bytes(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe)).value(), -2);
  EXPECT_EQ(read("\xcf\xff\xff\xff\xff\xff\xff\xff\xff").error(), MsgpackError::WrongType);
  EXPECT_EQ(MsgpackReader("\xcf\xff\xff\xff\xff\xff\xff\xff\xff").read_uint().value(), UINT64_MAX);
  EXPECT_EQ(MsgpackReader("\xff").read_uint().error(), MsgpackError::WrongType);
  EXPECT_EQ(MsgpackReader("\xff").read_float().value(), -1.0);
}

TEST(MsgpackReader, Times) {
  const auto read = [](const std::string& text) { return MsgpackReader(text).read_time(); };
  EXPECT_EQ(read("\xd7\0\x69\x22\x77\x8c\x07\x5b\xca\x00"s).value(), at(0x6922778c, 123456000));
  EXPECT_EQ(read("\xc7\x08\0\x69\x22\x77\x8c\x07\x5b\xca\x00"s).value(), at(0x6922778c, 123456000));
  EXPECT_EQ(read("\xce\x69\x22\x77\x8c").value(), at(0x6922778c));
  EXPECT_EQ(read("\x00"s).value(), at(0));
  EXPECT_EQ(read("\xff").value(), at(-1));
  EXPECT_EQ(read("\xd7\x01\0\0\0\0\0\0\0\0"s).error(), MsgpackError::WrongType);
  EXPECT_EQ(read("\xd6\0\0\0\0\0"s).error(), MsgpackError::WrongType);
  EXPECT_EQ(read("\xcf\xff\xff\xff\xff\xff\xff\xff\xff").error(), MsgpackError::Malformed);
  EXPECT_EQ(read("\xd3\x80\0\0\0\0\0\0\0"s).error(), MsgpackError::Malformed);
  const auto read_double = [&](double value) {
    std::string text;
    MsgpackWriter(text).number(value);
    return read(text);
  };
  EXPECT_EQ(read_double(1763866380.5).value(), at(1763866380, 500000000));
  EXPECT_EQ(read_double(-0.25).value(), at(-1, 750000000));
  EXPECT_EQ(read_double(std::numeric_limits<double>::quiet_NaN()).error(), MsgpackError::Malformed);
  EXPECT_EQ(read_double(std::numeric_limits<double>::infinity()).error(), MsgpackError::Malformed);
  EXPECT_EQ(read_double(1e300).error(), MsgpackError::Malformed);
  RandomValue random(2);
  for (int i = 0; i < 1000; ++i) {
    const Timestamp time = at(random.below(UINT32_MAX), random.below(1000000000));
    std::string text;
    MsgpackWriter(text).time(time);
    ASSERT_EQ(read(text).value(), time);
  }
}

TEST(MsgpackReader, PeekAgreesWithNext) {
  RandomValue random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string value;
    random.append(value, false);
    MsgpackReader reader(value);
    const auto type = reader.peek();
    ASSERT_TRUE(type.has_value());
    ASSERT_EQ(*type, reader.next()->type);
  }
}

// next(), element by element and recursively, must end where skip() ends.
void walk(MsgpackReader& reader) {
  const auto token = reader.next();
  ASSERT_TRUE(token.has_value());
  const bool container = token->type == MsgpackType::Map || token->type == MsgpackType::Array;
  if (!container) return;
  const uint64_t values = token->type == MsgpackType::Map ? 2ull * token->count : token->count;
  for (uint64_t i = 0; i < values; ++i) ASSERT_NO_FATAL_FAILURE(walk(reader));
}

TEST(MsgpackReader, SkipAgreesWithReadingEverything) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    RandomValue random(seed);
    std::string value;
    random.append(value, false);
    const size_t size = value.size();
    value += "tail";
    MsgpackReader skipping(value), reading(value);
    ASSERT_EQ(skipping.skip().value(), value.substr(0, size)) << "seed " << seed;
    ASSERT_NO_FATAL_FAILURE(walk(reading)) << "seed " << seed;
    ASSERT_EQ(skipping.position(), size);
    ASSERT_EQ(reading.position(), size) << "seed " << seed;
  }
}

TEST(MsgpackScanner, FindsTheEndOfAValueInPieces) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    RandomValue random(seed);
    std::string value;
    random.append(value, false);
    const size_t size = value.size();
    value += "\xc1 garbage behind it";
    MsgpackScanner scanner;
    size_t given = 0;
    while (true) {
      const auto found = scanner.scan(std::string_view(value).substr(0, given));
      if (found) {
        ASSERT_EQ(*found, size) << "seed " << seed;
        break;
      }
      ASSERT_EQ(found.error(), MsgpackError::Truncated) << "seed " << seed;
      ASSERT_LT(given, size) << "seed " << seed;
      ASSERT_GT(scanner.bytes_needed(), given);
      ASSERT_LE(scanner.bytes_needed(), size) << "seed " << seed;
      given =
          std::min<size_t>(size + 3, given + 1 + random.below(1 + static_cast<uint32_t>(size / 4)));
    }
    scanner.reset();
    EXPECT_EQ(scanner.scan("\x01").value(), 1u);
  }
}

TEST(MsgpackScanner, SaysHowMuchIsNeeded) {
  MsgpackScanner scanner;
  EXPECT_FALSE(scanner.scan("\x93\xa3tag\xdb\x40\0\0\0"s).has_value());
  EXPECT_EQ(scanner.bytes_needed(), 5u + 5u + (1u << 30) + 1u);
  scanner.reset();
  EXPECT_EQ(scanner.scan(std::string(200, '\x91')).error(), MsgpackError::TooDeep);
  scanner.reset();
  EXPECT_EQ(scanner.scan("\xc1").error(), MsgpackError::Malformed);
}

}  // namespace
}  // namespace noroshi
