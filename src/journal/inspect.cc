#include "journal/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "journal/journal_format.h"
#include "journal/recovery.h"
#include "journal/segment_reader.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

constexpr size_t kProblemsMax = 20;  // per segment; a rotten file would fill the screen

struct SegmentFile {
  Path path = {};
  Offset first = {};
};

Result<std::vector<SegmentFile>> segment_files(FileSystem& files, const Path& directory) {
  NOROSHI_ASSIGN(const std::vector<std::string> names, files.list(directory));
  std::vector<SegmentFile> found;
  for (const std::string& name : names) {
    if (const auto first = parse_segment_file_name(name))
      found.push_back({directory / name, *first});
  }
  std::ranges::sort(found, {}, &SegmentFile::first);
  return found;
}

void add_problem(SegmentSummary& summary, std::string problem) {
  if (summary.problems.size() < kProblemsMax) summary.problems.push_back(std::move(problem));
}

// Walks one segment; entries from `end_offset` on belong to the next.
Status inspect_segment(FileSystem& files, const JournalId& id, Offset end_offset,
                       bool verify_bodies, SegmentSummary& summary) {
  NOROSHI_ASSIGN(std::unique_ptr<File> file, files.open(summary.path, OpenMode::Read));
  NOROSHI_ASSIGN(summary.bytes, file->size());
  NOROSHI_ASSIGN(const SegmentOrigin origin, segment_origin(*file, id, summary.first));
  switch (origin) {
    case SegmentOrigin::Ours:
      break;
    case SegmentOrigin::Damaged:
      add_problem(summary, "the header is damaged");
      break;
    case SegmentOrigin::Foreign:
      add_problem(summary, "belongs to another journal");
      return {};
    case SegmentOrigin::Newer:
      add_problem(summary, "is of a newer format version");
      return {};
  }
  const uint64_t end_position = std::min(summary.bytes, kSegmentFileBytesMax);
  SegmentReader reader(std::move(file), segment_salt(id, summary.first), summary.first);
  EntryHead head;
  ChunkView chunk;
  for (;;) {
    const uint64_t before = reader.position();
    NOROSHI_ASSIGN(const SegmentReader::Step step, reader.next(end_position, end_offset, head));
    if (step == SegmentReader::Step::End) break;
    if (step == SegmentReader::Step::Gap) {
      add_problem(summary, fmt::format("position {}: damaged; records {} to {} are lost", before,
                                       reader.gap_begin().value, reader.expected().value - 1));
      continue;
    }
    if (verify_bodies) {
      NOROSHI_ASSIGN(const bool whole, reader.load(chunk));
      if (!whole) {
        add_problem(summary, fmt::format("position {}: the CRC of records {} to {} does not match",
                                         before, head.base.value, head.end().value - 1));
        continue;
      }
    }
    if (summary.entries++ == 0) summary.oldest = head.appended_at;
    summary.newest = head.appended_at;
    summary.records += head.record_count;
  }
  summary.end = reader.expected();
  summary.torn_bytes = end_position > reader.position() ? end_position - reader.position() : 0;
  return {};
}

std::string format_time(Timestamp time) {
  std::string text;
  write_json_date(text, JsonDateFormat::Iso8601, time);
  return text.size() > 2 ? text.substr(1, text.size() - 2) : text;  // without the quotes
}

std::string_view to_string(CheckpointOrigin origin) {
  switch (origin) {
    case CheckpointOrigin::New:
      return "never saved";
    case CheckpointOrigin::Saved:
      return "ok";
    case CheckpointOrigin::Earlier:
      return "last save damaged";
    case CheckpointOrigin::Damaged:
      return "unreadable";
  }
  return "";
}

}  // namespace

bool JournalSummary::sound() const {
  const auto damaged = [](const LoadedCheckpoint& loaded) {
    return loaded.origin == CheckpointOrigin::Earlier || loaded.origin == CheckpointOrigin::Damaged;
  };
  return gaps.empty() && std::ranges::none_of(checkpoints, damaged) &&
         std::ranges::all_of(segments,
                             [](const auto& segment) { return segment.problems.empty(); });
}

Result<JournalSummary> inspect_journal(FileSystem& files, const Path& directory,
                                       bool verify_bodies) {
  JournalSummary summary;
  NOROSHI_ASSIGN(summary.id, read_journal_id(files, directory));
  NOROSHI_ASSIGN(const std::vector<SegmentFile> found, segment_files(files, directory));
  for (size_t i = 0; i < found.size(); ++i) {
    SegmentSummary segment{.path = found[i].path, .first = found[i].first, .end = found[i].first};
    const Offset end_offset = i + 1 < found.size() ? found[i + 1].first : kOffsetMax;
    const Status walked = inspect_segment(files, summary.id, end_offset, verify_bodies, segment);
    if (!walked) {
      // Its owner deleted it meanwhile: it was the oldest, and is no concern any more.
      if (walked.error().code == ErrorCode::NotFound) continue;
      return std::unexpected(walked.error());
    }
    if (!summary.segments.empty() && summary.segments.back().end < segment.first) {
      summary.gaps.push_back({summary.segments.back().end, segment.first});
    }
    summary.bytes += segment.bytes;
    summary.segments.push_back(std::move(segment));
  }
  CheckpointStore store(files, directory, summary.id);
  NOROSHI_ASSIGN(summary.checkpoints, store.load_all());
  if (!summary.segments.empty()) {
    summary.first = summary.segments.front().first;
    summary.end = summary.segments.back().end;
  }
  for (const LoadedCheckpoint& loaded : summary.checkpoints) {
    summary.end = std::max(summary.end, loaded.checkpoint.highest());
  }
  if (summary.segments.empty()) summary.first = summary.end;
  return summary;
}

std::string format_summary(const JournalSummary& summary) {
  std::string out;
  const auto line = std::back_inserter(out);
  fmt::format_to(line, "journal {}: records {} to {}, {} bytes in {} segments\n\n",
                 to_string(summary.id), summary.first.value, summary.end.value, summary.bytes,
                 summary.segments.size());
  fmt::format_to(line, "{:>20} {:>10} {:>9} {:>10}  {:<28}{}\n", "SEGMENT", "RECORDS", "ENTRIES",
                 "BYTES", "OLDEST", "NEWEST");
  for (const SegmentSummary& segment : summary.segments) {
    fmt::format_to(line, "{:>20} {:>10} {:>9} {:>10}  {:<28}{}\n", segment.first.value,
                   segment.records, segment.entries, segment.bytes,
                   segment.entries > 0 ? format_time(segment.oldest) : "-",
                   segment.entries > 0 ? format_time(segment.newest) : "-");
    for (const std::string& problem : segment.problems) fmt::format_to(line, "  ! {}\n", problem);
    if (segment.torn_bytes > 0) {
      fmt::format_to(line, "  {} bytes behind the last whole entry\n", segment.torn_bytes);
    }
  }
  for (const LostRange& gap : summary.gaps) {
    fmt::format_to(line, "  ! records {} to {} are missing\n", gap.from.value, gap.to.value - 1);
  }
  fmt::format_to(line, "\n{:>20} {:>10} {:>7}  {:<18}{}\n", "CHECKPOINT", "LAG", "GROUPS", "STATE",
                 "OUTPUT");
  for (const LoadedCheckpoint& loaded : summary.checkpoints) {
    const Checkpoint& checkpoint = loaded.checkpoint;
    fmt::format_to(line, "{:>20} {:>10} {:>7}  {:<18}{}\n", checkpoint.low_water.value,
                   summary.end - std::min(summary.end, checkpoint.low_water),
                   checkpoint.groups.size(), to_string(loaded.origin), checkpoint.identity);
  }
  return out;
}

namespace {

using Visit = std::function<bool(const EntryHead&, const ChunkView&)>;

// False if `visit` has had enough.
Result<bool> visit_segment(std::unique_ptr<File> file, const JournalId& id, Offset first,
                           Offset end_offset, Offset from, const Visit& visit) {
  NOROSHI_ASSIGN(const uint64_t size, file->size());
  const uint64_t end_position = std::min(size, kSegmentFileBytesMax);
  SegmentReader reader(std::move(file), segment_salt(id, first), first);
  EntryHead head;
  ChunkView chunk;
  for (;;) {
    NOROSHI_ASSIGN(const SegmentReader::Step step, reader.next(end_position, end_offset, head));
    if (step == SegmentReader::Step::End) return true;
    if (step == SegmentReader::Step::Gap || head.end() <= from) continue;
    NOROSHI_ASSIGN(const bool whole, reader.load(chunk));
    if (whole && !visit(head, chunk)) return false;
  }
}

struct LoneSegment {
  std::unique_ptr<File> file = {};
  JournalId id = {};
  Offset first = {};
};

Result<LoneSegment> open_lone_segment(FileSystem& files, const Path& path) {
  LoneSegment segment;
  NOROSHI_ASSIGN(segment.file, files.open(path, OpenMode::Read));
  std::string bytes(kSegmentHeaderBytes, '\0');
  NOROSHI_ASSIGN(const size_t count, segment.file->read_at(0, bytes));
  bytes.resize(count);
  const Result<SegmentHeader> header = decode_segment_header(bytes);
  const std::optional<Offset> named = parse_segment_file_name(path.filename().string());
  const Result<JournalId> id = read_journal_id(files, path.parent_path());
  if (!header && (!named || !id)) {
    return fail(ErrorCode::Corrupt, path.string() +
                                        ": the header is damaged, and neither its name "
                                        "nor an identity file beside it says what it is");
  }
  segment.id = id && named ? *id : header->journal;
  segment.first = named ? *named : header->first;
  return segment;
}

}  // namespace

Result<SegmentSummary> inspect_segment_file(FileSystem& files, const Path& path,
                                            bool verify_bodies) {
  NOROSHI_ASSIGN(const LoneSegment segment, open_lone_segment(files, path));
  SegmentSummary summary{.path = path, .first = segment.first, .end = segment.first};
  NOROSHI_TRY(inspect_segment(files, segment.id, kOffsetMax, verify_bodies, summary));
  return summary;
}

Status visit_segment_file(FileSystem& files, const Path& path, Offset from, const Visit& visit) {
  NOROSHI_ASSIGN(LoneSegment segment, open_lone_segment(files, path));
  NOROSHI_TRY(
      visit_segment(std::move(segment.file), segment.id, segment.first, kOffsetMax, from, visit));
  return {};
}

Status visit_entries(FileSystem& files, const Path& directory, Offset from, const Visit& visit) {
  NOROSHI_ASSIGN(const JournalId id, read_journal_id(files, directory));
  NOROSHI_ASSIGN(const std::vector<SegmentFile> found, segment_files(files, directory));
  for (size_t i = 0; i < found.size(); ++i) {
    const Offset end_offset = i + 1 < found.size() ? found[i + 1].first : kOffsetMax;
    if (end_offset <= from) continue;
    auto file = files.open(found[i].path, OpenMode::Read);
    if (!file && file.error().code == ErrorCode::NotFound) continue;  // deleted meanwhile
    if (!file) return std::unexpected(std::move(file).error());
    NOROSHI_ASSIGN(const bool more,
                   visit_segment(*std::move(file), id, found[i].first, end_offset, from, visit));
    if (!more) return {};
  }
  return {};
}

void write_dump_line(std::string& out, const EntryHead& head, const ChunkView& chunk,
                     uint32_t index) {
  const RecordEntry& entry = chunk.records[index];
  fmt::format_to(std::back_inserter(out), R"({{"offset":{},"time":)", chunk.offset(index).value);
  write_json_date(out, JsonDateFormat::Iso8601, entry.time);
  out += R"(,"appended":)";
  write_json_date(out, JsonDateFormat::Iso8601, head.appended_at);
  out += R"(,"tag":)";
  write_json_string(out, chunk.tag);
  if (entry.severity != Severity::NotInferred) {
    out += R"(,"severity":)";
    write_json_string(out, noroshi::to_string(entry.severity));
  }
  if (entry.metadata_size > 0) {
    out += R"(,"metadata":)";
    if (!write_json(out, chunk.metadata(entry))) out += "null";
  }
  out += R"(,"record":)";
  if (!write_json(out, chunk.record(entry))) out += "null";
  out += "}\n";
}

}  // namespace noroshi
