#include "record/bitmap.h"

#include <gtest/gtest.h>

#include "record/random_value.h"

namespace noroshi {
namespace {

TEST(Bitmap, AgreesWithAVectorOfBool) {
  RandomValue random(9);
  for (const uint32_t size : {0u, 1u, 63u, 64u, 65u, 128u, 1000u}) {
    Bitmap a(size), b(size, true);
    std::vector<bool> va(size, false), vb(size, true);
    for (uint32_t i = 0; i < size; ++i) {
      if (random.below(3) == 0) a.set(i), va[i] = true;
      if (random.below(3) == 0) b.set(i, false), vb[i] = false;
    }
    const auto check = [&](const Bitmap& bitmap, const std::vector<bool>& bits) {
      std::vector<bool> visited(size, false);
      uint32_t before = 0;
      bitmap.for_each([&](uint32_t i) {
        EXPECT_TRUE(i == 0 || i > before || before == 0);
        before = i;
        visited[i] = true;
      });
      EXPECT_EQ(visited, bits);
      const auto count = static_cast<uint32_t>(std::count(bits.begin(), bits.end(), true));
      EXPECT_EQ(bitmap.count(), count);
      EXPECT_EQ(bitmap.none(), count == 0);
      EXPECT_EQ(bitmap.all(), count == size);
    };
    check(a, va);
    check(b, vb);
    Bitmap both = a, either = a;
    both &= b, either |= b;
    std::vector<bool> vboth(size), veither(size);
    for (uint32_t i = 0; i < size; ++i) vboth[i] = va[i] && vb[i], veither[i] = va[i] || vb[i];
    check(both, vboth);
    check(either, veither);
    Bitmap kept = a;
    std::vector<uint32_t> asked;
    kept.keep_if([&](uint32_t i) {
      asked.push_back(i);
      return vb[i];
    });
    EXPECT_EQ(kept, both);
    std::vector<uint32_t> set;
    a.for_each([&](uint32_t i) { set.push_back(i); });
    EXPECT_EQ(asked, set);
    Bitmap copy;
    copy.assign(size, a.words());
    EXPECT_EQ(copy, a);
  }
}

TEST(Bitmap, BitsBeyondTheSizeAreZero) {
  EXPECT_EQ(Bitmap(70, true).words()[1], 0x3fu);
  const uint64_t words[] = {~uint64_t{0}, ~uint64_t{0}};
  Bitmap bitmap;
  bitmap.assign(70, words);
  EXPECT_EQ(bitmap.count(), 70u);
  bitmap.reset(3);
  EXPECT_TRUE(bitmap.none());
  EXPECT_EQ(bitmap.size(), 3u);
}

}  // namespace
}  // namespace noroshi
