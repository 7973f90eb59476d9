// The file that says how far a tail input had read, damaged in any way. Input: first byte odd: the
// CRCs are made right, so that what is behind them is reached; then a file.
#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "input/tail/offset_format.h"

namespace {

using namespace noroshi;
using namespace noroshi::tail;

void repair_crcs(std::string& file) {
  for (size_t at = kOffsetFileHeader.size(); at + kOffsetEntryHead <= file.size();) {
    const size_t size = kOffsetEntryHead + load_le<uint16_t>(file.data() + at + 4);
    if (at + size > file.size()) return;
    store_le(&file[at], crc32c(std::string_view(file).substr(at + 4, size - 4)));
    at += size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string file(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) repair_crcs(file);
  const ReadOffsets read = read_offsets(file);
  CHECK(read.had_header == file.starts_with(kOffsetFileHeader), "the header");
  CHECK(read.entries.size() <= file.size() / kOffsetEntryHead, "a file that nobody wrote");

  std::string again(kOffsetFileHeader);
  for (const auto& [id, offset] : read.entries) append_position(again, id, offset);
  CHECK(read_offsets(again).entries == read.entries, "what is written again is the same");
  // A torn write costs the entry it tore, and none before it.
  for (const size_t torn : {size_t{1}, kOffsetEntryHead, size_t{data[0]}}) {
    std::string longer = again;
    append_position(longer, {data[0], 1}, {.position = 7, .path = "torn"});
    longer.resize(longer.size() - std::min(torn, kOffsetEntryHead));
    if (torn != 0) CHECK(read_offsets(longer).entries == read.entries, "a torn entry");
  }
  if (!read.entries.empty()) {
    append_forget(again, read.entries.begin()->first);
    CHECK(read_offsets(again).entries.size() == read.entries.size() - 1, "a file is forgotten");
  }
  return 0;
}
