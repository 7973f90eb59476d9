#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

#include <gtest/gtest.h>

#include <random>

#include <fmt/format.h>

namespace noroshi {
namespace {

std::string random_text(std::mt19937_64& random, size_t size_max) {
  std::string text(random() % (size_max + 1), '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

void write_random_value(std::mt19937_64& random, MsgpackWriter& writer, int depth) {
  switch (random() % (depth > 3 ? 9 : 11)) {
    case 0:
      return writer.nil();
    case 1:
      return writer.boolean(random() % 2 == 0);
    case 2:
      return writer.integer(static_cast<int64_t>(random()) >> (random() % 64));
    case 3:
      return writer.unsigned_integer(random() >> (random() % 64));
    case 4:
      return writer.number(static_cast<double>(random()));
    case 5:
      return writer.string(random_text(random, 40));
    case 6:
      return writer.string(random_text(random, 70000));
    case 7:
      return writer.binary(random_text(random, 300));
    case 8:
      return writer.extension(static_cast<int8_t>(random()), random_text(random, 20));
    default:
      break;
  }
  const auto count = static_cast<uint32_t>(random() % 4);
  if (random() % 2 == 0) {
    writer.array_header(count);
  } else {
    writer.map_header(count);
    for (uint32_t i = 0; i < count; ++i) writer.string(random_text(random, 5));
    // keys first is no map order, but any values will do: write the rest as values
  }
  for (uint32_t i = 0; i < count; ++i) write_random_value(random, writer, depth + 1);
}

// The slow way: the general reader, value by value.
TEST(MapPairs, AgreeWithTheReader) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 600; ++round) {
    std::string map;
    MsgpackWriter writer(map);
    const auto pairs = static_cast<uint32_t>(random() % (round % 10 == 0 ? 40 : 8));
    writer.map_header(pairs);
    for (uint32_t i = 0; i < 2 * pairs; ++i) write_random_value(random, writer, 0);
    // Damaged now and then: both must stop at the same pair.
    if (round % 3 == 1) map.resize(random() % (map.size() + 1));
    if (round % 3 == 2) map[random() % map.size()] = static_cast<char>(random());

    MsgpackReader reader(map);
    const auto promised = reader.read_map();
    MapPairs ours(map);
    MapPair pair;
    if (!promised) {
      EXPECT_FALSE(ours.ok());
      EXPECT_FALSE(ours.next(pair));
      continue;
    }
    ASSERT_EQ(ours.count(), *promised);
    for (uint32_t i = 0; i < *promised; ++i) {
      const auto key = reader.skip();
      const auto value = key ? reader.skip() : key;
      const bool got = ours.next(pair);
      ASSERT_EQ(got, value.has_value()) << "pair " << i;
      if (!got) break;
      ASSERT_EQ(pair.key, *key);
      ASSERT_EQ(pair.value, *value);
      EXPECT_EQ(pair.bytes().size(), key->size() + value->size());
      const auto token = MsgpackReader(*key).next();
      const bool text = token->type == MsgpackType::String || token->type == MsgpackType::Binary;
      EXPECT_EQ(pair.name.data() != nullptr, text);
      if (text) {
        EXPECT_EQ(pair.name, token->bytes);
      }
      EXPECT_EQ(ours.rest(), reader.remaining());
    }
  }
}

TEST(MapPairs, HeadsGrowAndShrinkInPlace) {
  for (const uint32_t pairs : {0u, 1u, 15u, 16u, 17u, 65535u, 65536u, 70000u}) {
    for (const uint32_t before : {3u, 16u, 66000u}) {
      std::string out = "front";
      MsgpackWriter(out).map_header(before);
      out += "rest";
      set_map_pairs(out, 5, pairs);
      std::string wanted = "front";
      MsgpackWriter(wanted).map_header(pairs);
      EXPECT_EQ(out, wanted + "rest") << before << " to " << pairs;
    }
  }
}

TEST(MapPairs, NotAMap) {
  for (const std::string_view wrong : {"", "\x90", "\xa1x", "\xc0", "\xde\x00"}) {
    MapPairs pairs(wrong);
    MapPair pair;
    EXPECT_FALSE(pairs.ok());
    EXPECT_FALSE(pairs.next(pair));
  }
}

}  // namespace
}  // namespace noroshi
