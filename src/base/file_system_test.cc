#include "base/file_system.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

#include "base/crc32c.h"
#include "base/little_endian.h"

namespace noroshi {
namespace {

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720 B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, EqualsTheBitwiseDefinition) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    uint32_t expected = 0xffffffff;
    for (const char byte : bytes) {
      expected ^= static_cast<unsigned char>(byte);
      for (int bit = 0; bit < 8; ++bit) expected = expected >> 1 ^ (expected & 1 ? 0x82f63b78 : 0);
    }
    EXPECT_EQ(crc32c(bytes), ~expected);
    const size_t half = bytes.size() / 3;
    EXPECT_EQ(crc32c(bytes.substr(half), crc32c(bytes.substr(0, half))), ~expected);
  }
}

TEST(LittleEndian, IsLittleEndian) {
  char bytes[8];
  store_le<uint32_t>(bytes, 0x01020304);
  EXPECT_EQ(std::string_view(bytes, 4), "\x04\x03\x02\x01");
  EXPECT_EQ(load_le<uint16_t>(bytes + 2), 0x0102);
}

// The same contract for the disk and for memory.
void check_contract(FileSystem& files, const Path& directory) {
  ASSERT_TRUE(files.create_directories(directory));
  EXPECT_EQ(files.open(directory / "none", OpenMode::Read).error().code, ErrorCode::NotFound);
  auto file = files.open(directory / "b", OpenMode::Create);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const std::string_view pieces[] = {"abc", "", "defg"};
  ASSERT_TRUE((*file)->write_at(2, pieces));
  EXPECT_EQ((*file)->size().value(), 9u);
  std::string buffer(20, '?');
  EXPECT_EQ((*file)->read_at(1, buffer).value(), 8u);
  EXPECT_EQ(buffer.substr(0, 8), std::string_view("\0abcdefg", 8));
  EXPECT_EQ((*file)->read_at(9, buffer).value(), 0u);
  ASSERT_TRUE((*file)->truncate(4));
  EXPECT_TRUE((*file)->sync());
  EXPECT_TRUE(files.sync_directory(directory));
  ASSERT_TRUE(files.open(directory / "a", OpenMode::OpenOrCreate).has_value());
  EXPECT_EQ(files.list(directory).value(), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(files.rename(directory / "b", directory / "a"));
  auto renamed = files.open(directory / "a", OpenMode::ReadWrite);
  ASSERT_TRUE(renamed.has_value());
  EXPECT_EQ((*renamed)->size().value(), 4u);
  ASSERT_TRUE(files.remove(directory / "a"));
  EXPECT_EQ((*renamed)->read_at(2, buffer).value(), 2u) << "an open file survives its name";
  EXPECT_EQ(files.remove(directory / "a").error().code, ErrorCode::NotFound);
  EXPECT_GT(files.free_bytes(directory).value(), 0u);
}

TEST(FileSystem, Disk) {
  const Path directory = ::testing::TempDir() + fmt::format("file_system_{}/deep", ::getpid());
  check_contract(posix_file_system(), directory);
  std::filesystem::remove_all(directory.parent_path());
}

TEST(FileSystem, Memory) { check_contract(*make_memory_file_system(), "/m"); }

}  // namespace
}  // namespace noroshi
