// Opens a journal directory in which one segment and one checkpoint file hold the input. Whatever
// the bytes: no crash, no endless loop, `noroshi journal` shows what is there, and the journal
// works afterwards.
//
// Input: first byte odd: the CRCs of the segment's entries are made right, so that the fields
// behind them are reached, too. Second byte: how many 64-byte units go to the checkpoint file; the
// rest is the segment.
#include <simdjson.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/crc32c.h"
#include "base/little_endian.h"
#include "base/log.h"
#include "journal/checkpoint_format.h"
#include "journal/inspect.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/journal_reader.h"
#include "journal/testing/fake_file_system.h"

namespace noroshi {
namespace {

const Path kDirectory = "/j";

void require(bool condition) {
  if (!condition) std::abort();
}

// Gives every would-be entry head of a segment the CRCs that its other bytes ask for.
void repair_crcs(std::string& segment, uint32_t salt) {
  size_t at = kSegmentHeaderBytes;
  while (at + kEntryHeadBytes <= segment.size()) {
    const auto layout = decode_entry_head(std::string_view(segment).substr(at));
    if (!layout || at + layout->entry_bytes > segment.size()) {
      at += kEntryAlignment;
      continue;
    }
    const std::string_view entry = std::string_view(segment).substr(at, layout->entry_bytes);
    store_le(&segment[at + 48],
             crc32c(entry.substr(layout->head_bytes(), layout->payload_bytes()), salt));
    store_le(&segment[at + 4], crc32c(entry.substr(8, layout->head_bytes() - 8), salt));
    at += layout->entry_bytes;
  }
}

// What `noroshi journal ls` and `dump` print: every record as one line of JSON.
void inspect(FileSystem& disk) {
  if (const auto summary = inspect_journal(disk, kDirectory, true)) {
    require(!format_summary(*summary).empty());
  }
  static simdjson::dom::parser parser;
  std::string line;
  const Status visited = visit_entries(disk, kDirectory, Offset{0},
                                       [&](const EntryHead& head, const ChunkView& chunk) {
                                         for (uint32_t i = 0; i < chunk.records.size(); ++i) {
                                           line.clear();
                                           write_dump_line(line, head, chunk, i);
                                           require(line.find('\n') == line.size() - 1);
                                           require(parser.parse(line).error() == simdjson::SUCCESS);
                                         }
                                         return true;
                                       });
  static_cast<void>(visited.has_value());
}

void check(std::string_view input) {
  if (input.size() < 2) return;
  testing::FakeFileSystem disk(1);
  const JournalId id{{1, 2, 3}};
  disk.set_contents(kDirectory / kIdentityFileName, encode_identity(id));
  const size_t checkpoint_bytes =
      std::min<size_t>(static_cast<uint8_t>(input[1]) * 64u, input.size() - 2);
  std::string checkpoint(input.substr(2, checkpoint_bytes));
  std::string segment(input.substr(2 + checkpoint_bytes));
  if ((input[0] & 1) != 0) {
    repair_crcs(segment, segment_salt(id, Offset{7}));
    if (checkpoint.size() >= kCheckpointHeadBytes) {
      const uint32_t size = checkpoint_save_bytes(checkpoint);
      if (size >= kCheckpointHeadBytes && size <= checkpoint.size()) {
        store_le(&checkpoint[4], crc32c(std::string_view(checkpoint).substr(8, size - 8)));
      }
    }
  }
  disk.set_contents(kDirectory / segment_file_name(Offset{7}), segment);
  disk.set_contents(kDirectory / checkpoint_file_name("out"), checkpoint);

  inspect(disk);
  const JournalOptions options{
      .directory = kDirectory, .bytes_max = kJournalBytesMin, .disk_free_min = 0};
  auto opened = Journal::open(options, &disk);
  if (!opened) return;
  Journal& journal = **opened;
  const auto registered = journal.register_output("out");
  require(registered.has_value());
  require(registered->checkpoint.highest() <= journal.appended_offset());
  const auto reader = journal.make_reader(journal.first_offset());
  Offset expected = journal.first_offset();
  EntryHead head;
  ChunkView chunk;
  for (;;) {
    const auto outcome = reader->next(head);
    require(outcome.has_value());
    if (*outcome == ReadOutcome::End) break;
    if (*outcome == ReadOutcome::Lost) {
      require(reader->lost().from == expected && reader->lost().to > expected);
      expected = reader->lost().to;
      continue;
    }
    require(head.base == expected);
    expected = head.end();
    const auto loaded = reader->load(chunk);
    require(loaded.has_value());
    if (*loaded == ReadOutcome::Entry) {
      for (const RecordEntry& entry : chunk.records) {
        require(chunk.metadata(entry).size() + chunk.record(entry).size() ==
                entry.metadata_size + entry.size);
      }
    }
  }
  require(expected == journal.appended_offset());
  Chunk next;
  next.tag = "t";
  next.append({}, "x");
  const auto appended = journal.append(next.view(), {});
  if (!appended) {
    require(appended.error().code == ErrorCode::Exhausted);
    return;
  }
  require(*appended == expected);
  require(reader->next(head).value() == ReadOutcome::Entry);
  require(head.base == expected);
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  noroshi::set_log_level(noroshi::LogLevel::Off);
  noroshi::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
