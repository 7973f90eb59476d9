#include "journal/journal_format.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "journal/checkpoint_format.h"

namespace noroshi {
namespace {

// "0040  e7 4e 52 45 …  .NRE", sixteen bytes a line.
std::string hex_dump(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    const std::string_view row = bytes.substr(at, 16);
    out += fmt::format("{:04x} ", at);
    for (size_t i = 0; i < 16; ++i) {
      out += i % 8 == 0 ? " " : "";
      out += i < row.size() ? fmt::format("{:02x} ", static_cast<uint8_t>(row[i])) : "   ";
    }
    out += " ";
    for (const char c : row) out += c >= 0x20 && c < 0x7f ? c : '.';
    out += "\n";
  }
  return out;
}

// README.md's example of that name, which must be what the code writes. NOROSHI_UPDATE_README=1
// rewrites it.
void expect_in_readme(const std::string& name, const std::string& dump) {
  const std::string path = std::string(NOROSHI_SOURCE_DIR) + "/src/journal/README.md";
  std::stringstream buffer;
  buffer << std::ifstream(path).rdbuf();
  std::string text = buffer.str();
  const std::string begin_mark = "<!-- example:" + name + " -->\n```\n";
  const size_t begin = text.find(begin_mark);
  ASSERT_NE(begin, std::string::npos);
  const size_t from = begin + begin_mark.size();
  const size_t to = text.find("```\n<!-- end -->", from);
  ASSERT_NE(to, std::string::npos);
  if (std::getenv("NOROSHI_UPDATE_README") != nullptr) {
    std::ofstream(path) << text.replace(from, to - from, dump);
    return;
  }
  EXPECT_EQ(text.substr(from, to - from), dump);
}

JournalId example_id() {
  JournalId id;
  for (size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<uint8_t>(i);
  return id;
}

std::string entry_bytes(const Chunk& chunk, const Routing& routing, Offset base, uint32_t salt,
                        std::span<const Receipt> receipts = {}) {
  EntryLayout layout = layout_of(chunk.view(), routing).value();
  layout.receipts = static_cast<uint32_t>(receipts.size());
  layout.compute_entry_bytes();
  layout.base = base;
  layout.appended_at = Timestamp(Seconds(1));
  EntryEncoder encoder;
  encoder.encode(layout, chunk.view(), routing, receipts, salt);
  std::string bytes;
  for (const std::string_view piece : encoder.pieces()) bytes += piece;
  EXPECT_EQ(bytes.size(), layout.entry_bytes);
  return bytes;
}

TEST(JournalFormat, ReadmeShowsWhatTheCodeWrites) {
  const Timestamp second{Seconds(1)};
  Chunk chunk;
  chunk.tag = "app";
  chunk.append(second, "\x81\xa1n\x01", {}, Severity::Info);
  chunk.append(second, "\x81\xa1n\x02", "\x80", Severity::Error);
  const JournalId id = example_id();
  const Offset first{7};
  const std::string segment =
      encode_segment_header({.journal = id, .first = first, .created = second}) +
      entry_bytes(chunk, {.route_table = 3, .marks = "\x05"}, first, segment_salt(id, first));
  expect_in_readme("segment", hex_dump(segment));

  const Checkpoint checkpoint{
      .identity = "s3", .low_water = {7}, .groups = {{"a", {9}}}, .counters = {{"records", 8}}};
  expect_in_readme("checkpoint", hex_dump(encode_checkpoint({2, id, checkpoint}).value()));
}

TEST(JournalFormat, RandomEntriesRoundTrip) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    Chunk chunk;
    chunk.tag.assign(random() % 40, 't');
    for (uint64_t i = 1 + random() % 50; i > 0; --i) {
      chunk.append(Timestamp(Nanoseconds(static_cast<int64_t>(random()))),
                   std::string(random() % 100, 'r'), std::string(random() % 3, 'm'),
                   static_cast<Severity>(random() % 11));
    }
    const std::string marks(random() % 20, 'k');
    const uint32_t salt = static_cast<uint32_t>(random());
    std::vector<Receipt> receipts(random() % 3 * 7);
    for (Receipt& receipt : receipts) receipt = {random(), random()};
    const std::string bytes =
        entry_bytes(chunk, {random(), marks}, Offset{random() % 1000}, salt, receipts);
    const auto layout = decode_entry_head(bytes);
    ASSERT_TRUE(layout.has_value());
    const std::string_view view = bytes;
    EXPECT_TRUE(head_crc_matches(view.substr(0, layout->head_bytes()), salt));
    EXPECT_FALSE(head_crc_matches(view.substr(0, layout->head_bytes()), salt + 1));
    std::vector<Receipt> read;
    decode_receipts(view.substr(0, layout->head_bytes())
                        .substr(kEntryHeadBytes + layout->tag_bytes + layout->marks_bytes),
                    read);
    EXPECT_EQ(read, receipts);
    const std::string_view payload = view.substr(layout->head_bytes(), layout->payload_bytes());
    std::vector<RecordEntry> records;
    ASSERT_TRUE(decode_payload(*layout, payload, salt, records));
    ASSERT_EQ(records.size(), chunk.records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      EXPECT_EQ(records[i].time, chunk.records[i].time);
      EXPECT_EQ(records[i].position, chunk.records[i].position);
      EXPECT_EQ(records[i].metadata_size, chunk.records[i].metadata_size);
      EXPECT_EQ(records[i].size, chunk.records[i].size);
      EXPECT_EQ(records[i].severity, chunk.records[i].severity);
    }
  }
}

TEST(JournalFormat, SegmentNames) {
  EXPECT_EQ(segment_file_name(Offset{4711}), "00000000000000004711.segment");
  EXPECT_EQ(parse_segment_file_name("00000000000000004711.segment"), Offset{4711});
  for (const char* name : {"4711.segment", "0000000000000000471x.segment",
                           "00000000000000004711.segment.new", "99999999999999999999.segment",
                           "18446744073709551615.segment", "-0000000000000000001.segment", ""}) {
    EXPECT_FALSE(parse_segment_file_name(name).has_value()) << name;
  }
}

TEST(CheckpointFormat, RoundTripsAndRefusesDamage) {
  const CheckpointSave save{.generation = 9,
                            .journal = example_id(),
                            .checkpoint = {.identity = "s3:logs/app",
                                           .low_water = {100},
                                           .groups = {{"year=2026/hour=09", {120}}, {"", {100}}},
                                           .counters = {{"records", 1}, {"bytes", UINT64_MAX}}}};
  const std::string bytes = encode_checkpoint(save).value();
  const auto read = decode_checkpoint(bytes + "what follows");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->generation, 9u);
  EXPECT_EQ(read->checkpoint, save.checkpoint);
  EXPECT_EQ(read->checkpoint.highest(), Offset{120});
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_EQ(decode_checkpoint(damaged).error().code, ErrorCode::Corrupt) << at;
    EXPECT_EQ(decode_checkpoint(bytes.substr(0, at)).error().code,
              at == 0 ? ErrorCode::NotFound : ErrorCode::Corrupt);
  }
  EXPECT_EQ(decode_checkpoint(std::string(100, '\0')).error().code, ErrorCode::NotFound);
}

TEST(CheckpointFormat, RefusesWhatBreaksALimit) {
  const auto code = [](Checkpoint checkpoint) {
    return encode_checkpoint({1, {}, std::move(checkpoint)}).error().code;
  };
  EXPECT_EQ(code({.identity = std::string(1025, 'i')}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.groups = std::vector<Checkpoint::Group>(201)}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.groups = {{std::string(1025, 'k'), {}}}}), ErrorCode::InvalidArgument);
  EXPECT_EQ(code({.counters = {{std::string(65, 'n'), 1}}}), ErrorCode::InvalidArgument);
  const Checkpoint largest{
      .identity = std::string(1024, 'i'),
      .groups = std::vector<Checkpoint::Group>(200, {std::string(1024, 'k'), {}}),
      .counters = std::vector<Checkpoint::SavedCounter>(32, {std::string(64, 'n'), 1})};
  EXPECT_LE(encode_checkpoint({1, {}, largest}).value().size(), kCheckpointSlotBytes);
}

TEST(CheckpointFormat, FileNamesAreReadableAndDistinct) {
  const std::string name = checkpoint_file_name("s3:bucket/%Y/$TAG.gz");
  EXPECT_TRUE(is_checkpoint_file_name(name));
  EXPECT_TRUE(name.ends_with("-s3-bucket--Y--TAG.gz")) << name;
  EXPECT_NE(checkpoint_file_name("a/b").substr(0, 27), checkpoint_file_name("a-b").substr(0, 27));
}

}  // namespace
}  // namespace noroshi
