#include "journal/recovery.h"

#include <algorithm>
#include <string>

#include "base/log.h"
#include "journal/checkpoint.h"
#include "journal/journal_format.h"
#include "journal/repair.h"
#include "journal/segment_reader.h"

namespace noroshi {
namespace {

constexpr std::string_view kComponent = "journal";

struct SegmentFile {
  Offset first = {};
  std::string name = {};
};

std::vector<SegmentFile> segment_files(const std::vector<std::string>& names) {
  std::vector<SegmentFile> found;
  for (const std::string& name : names) {
    if (const auto first = parse_segment_file_name(name)) found.push_back({*first, name});
  }
  std::ranges::sort(found, {}, &SegmentFile::first);
  return found;
}

Result<std::string> read_start(File& file, size_t size) {
  std::string bytes(size, '\0');
  NOROSHI_ASSIGN(const size_t count, file.read_at(0, bytes));
  bytes.resize(count);
  return bytes;
}

Status write_identity(FileSystem& files, const Path& directory, const JournalId& id) {
  const Path path = directory / kIdentityFileName;
  const Path fresh = path.string() + std::string(kUnfinishedSuffix);
  {
    NOROSHI_ASSIGN(const std::unique_ptr<File> file, files.open(fresh, OpenMode::Create));
    const std::string bytes = encode_identity(id);
    const std::string_view piece = bytes;
    NOROSHI_TRY(file->write_at(0, {&piece, 1}));
    NOROSHI_TRY(file->sync());
  }
  NOROSHI_TRY(files.rename(fresh, path));
  return files.sync_directory(directory);
}

// The id some segment's header tells; for a directory whose identity file is lost.
Result<JournalId> id_from_segments(FileSystem& files, const Path& directory,
                                   const std::vector<SegmentFile>& segments) {
  for (const SegmentFile& segment : segments) {
    NOROSHI_ASSIGN(const auto file, files.open(directory / segment.name, OpenMode::Read));
    NOROSHI_ASSIGN(const std::string bytes, read_start(*file, kSegmentHeaderBytes));
    const Result<SegmentHeader> header = decode_segment_header(bytes);
    if (header && header->first == segment.first) return header->journal;
  }
  return fail(ErrorCode::NotFound, directory.string() + " holds no journal");
}

// The directory's id; a new one where there is none.
Result<JournalId> settle_id(FileSystem& files, const Path& directory,
                            const std::vector<SegmentFile>& segments) {
  Result<JournalId> id = read_journal_id(files, directory);
  if (id) return id;
  if (id.error().code != ErrorCode::NotFound && id.error().code != ErrorCode::Corrupt) return id;
  if (id.error().code == ErrorCode::Corrupt) log_warn(kComponent, "{}", id.error().message);
  Result<JournalId> known = id_from_segments(files, directory, segments);
  if (!known && known.error().code != ErrorCode::NotFound) return known;
  const JournalId settled = known ? *known : make_journal_id();
  if (!segments.empty()) {
    log_warn(kComponent, "{}: the identity file is missing or damaged; {}", directory.string(),
             known ? "restored from a segment" : "and no segment tells it: a new one is made");
  }
  NOROSHI_TRY(write_identity(files, directory, settled));
  return settled;
}

void keep_newest(std::vector<Receipt>& receipts, size_t count) {
  if (receipts.size() > count) receipts.erase(receipts.begin(), receipts.end() - count);
}

// Reads a segment to its end: the receipts of what is whole, and how many records are damaged.
// False if its first entry is not whole: that one had the receipts of the segments before.
Result<bool> walk(SegmentReader& reader, uint64_t bytes, Offset end, JournalRecovery& report,
                  std::vector<Receipt>& receipts) {
  EntryHead head;
  ChunkView chunk;
  const Offset first = reader.expected();
  bool first_whole = false;
  for (;;) {
    NOROSHI_ASSIGN(const SegmentReader::Step step, reader.next(bytes, end, head));
    if (step == SegmentReader::Step::End) break;
    if (step == SegmentReader::Step::Gap) {
      report.records_damaged += reader.expected() - reader.gap_begin();
      continue;
    }
    const size_t before = receipts.size();
    decode_receipts(head.receipts, receipts);
    NOROSHI_ASSIGN(const bool whole, reader.load(chunk));
    first_whole |= whole && head.base == first;
    if (!whole) {
      // Its offsets stay used: the reader of an output will meet it, and count it as lost. A client
      // that repeats what is damaged is welcome.
      report.records_damaged += head.record_count;
      receipts.resize(before);
    }
    if (receipts.size() > 2 * kReceiptsMax) keep_newest(receipts, kReceiptsMax);
  }
  keep_newest(receipts, kReceiptsMax);
  return first_whole;
}

// Reads the newest segment to its end, cuts what is torn, and says where it ends. As walk().
Result<bool> scan_newest(FileSystem& files, Segment& segment, JournalRecovery& report,
                         std::vector<Receipt>& receipts) {
  NOROSHI_ASSIGN(std::unique_ptr<File> file, files.open(segment.path, OpenMode::ReadWrite));
  const uint64_t bytes = segment.end_position.load();
  SegmentReader reader(std::move(file), segment.salt, segment.first);
  NOROSHI_ASSIGN(const bool first_whole, walk(reader, bytes, kOffsetMax, report, receipts));
  segment.end_offset.store(reader.expected());
  if (reader.expected() > segment.first && reader.position() < bytes) {
    NOROSHI_ASSIGN(file, files.open(segment.path, OpenMode::ReadWrite));
    NOROSHI_TRY(file->truncate(reader.position()));
    segment.end_position.store(reader.position());
    report.torn_bytes_cut += bytes - reader.position();
  }
  return first_whole;
}

// The newest segment lost its first entry: the receipts of the segments before are still in these,
// below `below`, back to the newest one whose first entry is whole. Crash after crash leaves
// several without.
Status read_receipts(FileSystem& files, const std::vector<SegmentPointer>& segments, Offset below,
                     std::vector<Receipt>& receipts) {
  // What a failed append left behind the end of a segment has offsets of the next one: its request
  // is not stored.
  Offset end = below;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if ((*segment)->first >= below) continue;
    NOROSHI_ASSIGN(std::unique_ptr<File> file, files.open((*segment)->path, OpenMode::Read));
    SegmentReader reader(std::move(file), (*segment)->salt, (*segment)->first);
    JournalRecovery damage;  // whoever reads the records will tell
    std::vector<Receipt> older;
    NOROSHI_ASSIGN(const bool first_whole,
                   walk(reader, (*segment)->end_position.load(), end, damage, older));
    end = (*segment)->first;
    receipts.insert(receipts.begin(), older.begin(), older.end());
    keep_newest(receipts, kReceiptsMax);
    if (first_whole) return {};
  }
  return {};
}

// Every offset that an output says is done: these are never given to another record.
Result<Offset> highest_in_checkpoints(FileSystem& files, const Path& directory,
                                      const JournalId& id) {
  Offset highest;
  CheckpointStore store(files, directory, id);
  NOROSHI_ASSIGN(const std::vector<LoadedCheckpoint> all, store.load_all());
  for (const LoadedCheckpoint& loaded : all)
    highest = std::max(highest, loaded.checkpoint.highest());
  return highest;
}

// Segments whose fsync failed in the process before, and which it did not live to repair: what we
// read of them is still its cache. Where the list cannot be read no segment is trusted.
void mark_untrusted(FileSystem& files, const Path& directory, RecoveredJournal& recovered) {
  const Result<std::vector<std::string>> names = read_untrusted(files, directory);
  if (!names) log_warn(kComponent, "{}", names.error().message);
  for (const SegmentPointer& segment : recovered.segments) {
    const bool listed =
        !names || std::ranges::find(*names, segment->path.filename().string()) != names->end();
    segment->untrusted.store(listed);
    recovered.untrusted |= listed;
  }
  // All of them are deleted. What cannot be removed now is looked at again by the next start.
  if (!recovered.untrusted && names && !names->empty())
    static_cast<void>(write_untrusted(files, directory, {}).has_value());
}

}  // namespace

Result<JournalId> read_journal_id(FileSystem& files, const Path& directory) {
  const Path path = directory / kIdentityFileName;
  auto file = files.open(path, OpenMode::Read);
  if (!file) return std::unexpected(std::move(file).error());
  NOROSHI_ASSIGN(const std::string bytes, read_start(**file, 4096));
  Result<JournalId> id = decode_identity(bytes);
  if (!id) return std::unexpected(std::move(id).error().with_context(path.string()));
  return id;
}

Result<SegmentOrigin> segment_origin(File& file, const JournalId& id, Offset first) {
  NOROSHI_ASSIGN(const std::string bytes, read_start(file, kSegmentHeaderBytes));
  const Result<SegmentHeader> header = decode_segment_header(bytes);
  if (!header) return SegmentOrigin::Damaged;
  if (header->version > kJournalFormatVersion) return SegmentOrigin::Newer;
  if (header->journal != id || header->first != first) return SegmentOrigin::Foreign;
  return SegmentOrigin::Ours;
}

Result<RecoveredJournal> recover_journal(FileSystem& files, const Path& directory) {
  NOROSHI_ASSIGN(const std::vector<std::string> names, files.list(directory));
  const std::vector<SegmentFile> found = segment_files(names);
  for (const std::string& name : names) {
    if (name.ends_with(kUnfinishedSuffix)) NOROSHI_TRY(files.remove(directory / name));
  }
  RecoveredJournal recovered;
  NOROSHI_ASSIGN(recovered.id, settle_id(files, directory, found));

  // Segments that are not this journal's are set aside, not read and not deleted.
  for (const SegmentFile& segment : found) {
    const Path path = directory / segment.name;
    NOROSHI_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::Read));
    NOROSHI_ASSIGN(const SegmentOrigin origin, segment_origin(*file, recovered.id, segment.first));
    if (origin == SegmentOrigin::Newer) {
      return fail(ErrorCode::Corrupt,
                  path.string() + ": written by a newer version of noroshi; nothing was changed");
    }
    if (origin == SegmentOrigin::Foreign) {
      log_warn(kComponent, "{} belongs to another journal; renamed to …foreign", path.string());
      NOROSHI_TRY(files.rename(path, path.string() + ".foreign"));
      continue;
    }
    if (origin == SegmentOrigin::Damaged) {
      log_warn(kComponent, "{}: the header is damaged; its entries are read as they are",
               path.string());
    }
    NOROSHI_ASSIGN(const uint64_t size, file->size());
    auto made =
        std::make_shared<Segment>(segment.first, path, segment_salt(recovered.id, segment.first));
    made->end_position.store(std::min(size, kSegmentFileBytesMax));
    made->sealed.store(true);
    recovered.segments.push_back(std::move(made));
  }

  Offset end;
  if (!recovered.segments.empty()) {
    const SegmentPointer newest = recovered.segments.back();
    NOROSHI_ASSIGN(const bool first_whole,
                   scan_newest(files, *newest, recovered.report, recovered.receipts));
    end = newest->end_offset.load();
    if (end == newest->first) {
      // Without any entry: a crash right after its creation. Its name still says where appends were
      // to go on. The file stays until the next append replaces it, or a later segment follows it.
      const uint64_t bytes = newest->end_position.load();
      if (bytes > kSegmentHeaderBytes)
        recovered.report.torn_bytes_cut += bytes - kSegmentHeaderBytes;
      recovered.segments.pop_back();
    }
    if (!first_whole) {
      NOROSHI_TRY(read_receipts(files, recovered.segments, newest->first, recovered.receipts));
    }
  }
  for (size_t i = 0; i < recovered.segments.size(); ++i) {
    Segment& segment = *recovered.segments[i];
    const bool last = i + 1 == recovered.segments.size();
    segment.end_offset.store(last ? end : recovered.segments[i + 1]->first);
  }
  mark_untrusted(files, directory, recovered);
  NOROSHI_ASSIGN(const Offset delivered, highest_in_checkpoints(files, directory, recovered.id));
  recovered.next = std::max(end, delivered);
  recovered.report.segments = recovered.segments.size();
  // Without segments all is well: everything was delivered, and retention deleted it.
  if (!recovered.segments.empty()) recovered.report.offsets_skipped = recovered.next - end;
  return recovered;
}

}  // namespace noroshi
