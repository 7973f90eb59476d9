#include "app/cli/state_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "input/tail/offset_format.h"
#include "journal/checkpoint_format.h"
#include "journal/inspect.h"
#include "journal/journal_format.h"
#include "journal/recovery.h"
#include "journal/repair.h"
#include "output/s3/open_uploads.h"
#include "pipeline/dead_letter_line.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

namespace fs = std::filesystem;

// Files that are read whole: the largest is a tail input's, which is rewritten at 4 MiB.
constexpr uint64_t kSmallFileBytesMax = 64 << 20;
constexpr int kDirectoryDepthMax = 16;

// "a.jsonl", "a.jsonl.1", "a.jsonl.replayed", "a.jsonl.1.replayed.2"
bool is_dead_letter_name(std::string_view name) {
  const size_t at = name.find(".jsonl");
  if (at == std::string_view::npos) return false;
  const std::string_view rest = name.substr(at + std::string_view(".jsonl").size());
  return rest.find_first_not_of(".0123456789replayd") == std::string_view::npos;
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(errno, "cannot read " + path.string());
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  if (!error && size > kSmallFileBytesMax)
    return fail(ErrorCode::Corrupt,
                fmt::format("{} bytes are more than such a file can have", size));
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return fail_errno(EIO, "cannot read " + path.string());
  return bytes;
}

StateKind kind_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(kUnfinishedSuffix)) return StateKind::Unfinished;
  if (parse_segment_file_name(name)) return StateKind::Segment;
  if (name.ends_with(".segment.foreign")) return StateKind::ForeignSegment;
  if (is_checkpoint_file_name(name)) return StateKind::Checkpoint;
  if (is_open_upload_file_name(name)) return StateKind::OpenUpload;
  if (name.starts_with("spool-")) return StateKind::Spool;
  if (is_dead_letter_name(name)) return StateKind::DeadLetters;
  if (name == kIdentityFileName) return StateKind::Identity;
  if (name == kLockFileName) return StateKind::Lock;
  if (name == kUntrustedFileName || name.starts_with(kUntrustedCheckpointPrefix))
    return StateKind::Untrusted;
  // The user names a tail input's file: its first bytes tell.
  std::string head(tail::kOffsetFileHeader.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (file && head == tail::kOffsetFileHeader) return StateKind::TailOffsets;
  return StateKind::Unknown;
}

StateFile describe(const fs::path& path) {
  StateFile file{.path = path};
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    file.bytes = static_cast<uint64_t>(status.st_size);
    file.modified = Timestamp(Seconds(status.st_mtim.tv_sec) + Nanoseconds(status.st_mtim.tv_nsec));
  }
  if (S_ISLNK(status.st_mode))
    file.kind = StateKind::SymbolicLink;
  else if (S_ISREG(status.st_mode))
    file.kind = kind_of(path);
  return file;
}

std::string age(Timestamp then, Timestamp now) {
  const auto seconds =
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - then).count());
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

void append_text(std::string& line, std::string_view name, std::string_view value) {
  line += line.ends_with('{') ? "\"" : ",\"";
  line += name;
  line += "\":";
  write_json_string(line, value);
}

void append_number(std::string& line, std::string_view name, uint64_t value) {
  fmt::format_to(std::back_inserter(line), "{}\"{}\":{}", line.ends_with('{') ? "" : ",", name,
                 value);
}

Result<LoadedCheckpoint> read_checkpoint(const fs::path& path) {
  const Path directory = path.parent_path();
  NOROSHI_ASSIGN(const JournalId id, read_journal_id(posix_file_system(), directory));
  CheckpointStore store(posix_file_system(), directory, id);
  NOROSHI_ASSIGN(std::vector<LoadedCheckpoint> all, store.load_all());
  for (LoadedCheckpoint& loaded : all) {
    if (loaded.path.filename() == path.filename()) return std::move(loaded);
  }
  return fail(ErrorCode::NotFound, path.string() + " is gone");
}

void verify_checkpoint(const fs::path& path, std::vector<std::string>& problems) {
  const Result<LoadedCheckpoint> loaded = read_checkpoint(path);
  if (!loaded)
    problems.push_back(loaded.error().message);
  else if (loaded->origin == CheckpointOrigin::Earlier)
    problems.emplace_back("the last save is damaged; a start goes on from an earlier one");
  else if (loaded->origin == CheckpointOrigin::Damaged)
    problems.emplace_back("no save is readable; a start goes on from the oldest record");
}

void verify_offsets(const fs::path& path, std::vector<std::string>& problems) {
  const Result<std::string> bytes = read_file(path);
  if (!bytes) return problems.push_back(bytes.error().message);
  const tail::ReadOffsets found = tail::read_offsets(*bytes);
  if (found.had_header && found.whole_bytes < bytes->size()) {
    problems.push_back(
        fmt::format("position {}: damaged; {} bytes from there on are not read, the "
                    "lines they stand for are read again",
                    found.whole_bytes, bytes->size() - found.whole_bytes));
  }
}

void verify_dead_letters(const fs::path& path, std::vector<std::string>& problems) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return problems.push_back(fail_errno(errno, "cannot be read").error().message);
  DeadLetterReader reader;
  std::string line;
  for (uint64_t number = 1; std::getline(file, line); ++number) {
    if (problems.size() == kStateProblemsMax) return;
    // A router may be writing the last line right now; without its end it is not judged.
    if (file.eof() || line.empty() || reader.read(line)) continue;
    problems.push_back(fmt::format(
        "line {}: no dead letter with tag, time and record; it cannot be sent again", number));
  }
  if (file.bad()) problems.push_back(fail_errno(EIO, "cannot be read to its end").error().message);
}

Status dump_segment(const StateFile& file, const std::function<bool(std::string_view)>& write) {
  std::string line;
  return visit_segment_file(posix_file_system(), file.path, Offset{},
                            [&](const EntryHead& head, const ChunkView& chunk) {
                              for (uint32_t i = 0; i < chunk.records.size(); ++i) {
                                line.clear();
                                write_dump_line(line, head, chunk, i);
                                if (!write(line)) return false;
                              }
                              return true;
                            });
}

Status dump_checkpoint(const StateFile& file, const std::function<bool(std::string_view)>& write) {
  NOROSHI_ASSIGN(const LoadedCheckpoint loaded, read_checkpoint(file.path));
  const Checkpoint& checkpoint = loaded.checkpoint;
  std::string line = "{";
  append_text(line, "output", checkpoint.identity);
  append_number(line, "low_water", checkpoint.low_water.value);
  line += ",\"groups\":{";
  for (const Checkpoint::Group& group : checkpoint.groups) {
    if (!line.ends_with('{')) line += ',';
    write_json_string(line, group.key);
    line += fmt::format(":{}", group.delivered.value);
  }
  line += "},\"counters\":{";
  for (const Checkpoint::SavedCounter& counter : checkpoint.counters) {
    if (!line.ends_with('{')) line += ',';
    write_json_string(line, counter.name);
    line += fmt::format(":{}", counter.value);
  }
  line += "}}\n";
  static_cast<void>(write(line));
  return {};
}

Status dump_offsets(const StateFile& file, const std::function<bool(std::string_view)>& write) {
  NOROSHI_ASSIGN(const std::string bytes, read_file(file.path));
  for (const auto& [id, offset] : tail::read_offsets(bytes).entries) {
    std::string line = "{";
    append_text(line, "path", offset.path);
    append_number(line, "position", offset.position);
    append_number(line, "device", id.device);
    append_number(line, "inode", id.inode);
    line += "}\n";
    if (!write(line)) break;
  }
  return {};
}

Status dump_lines(const StateFile& file, const std::function<bool(std::string_view)>& write) {
  std::ifstream stream(file.path, std::ios::binary);
  if (!stream) return fail_errno(errno, "cannot read " + file.path.string());
  DeadLetterReader reader;
  for (std::string line; std::getline(stream, line);) {
    if (!reader.read(line)) continue;  // verify tells
    line += '\n';
    if (!write(line)) break;
  }
  return {};
}

Status dump_small(const StateFile& file, const std::function<bool(std::string_view)>& write) {
  NOROSHI_ASSIGN(const std::string bytes, read_file(file.path));
  std::string line = "{";
  if (file.kind == StateKind::Identity) {
    Result<JournalId> id = decode_identity(bytes);
    if (!id) return std::unexpected(std::move(id).error().with_context(file.path.string()));
    append_text(line, "journal", to_string(*id));
  } else if (file.kind == StateKind::Lock) {
    append_text(line, "pid", std::string_view(bytes).substr(0, bytes.find('\n')));
  } else if (file.kind == StateKind::Untrusted) {
    NOROSHI_ASSIGN(const std::vector<std::string> names,
                   read_untrusted(posix_file_system(), file.path.parent_path()));
    line += "\"untrusted\":[";
    for (const std::string& name : names) {
      if (!line.ends_with('[')) line += ',';
      write_json_string(line, name);
    }
    line += ']';
  } else {
    const std::optional<OpenUpload> upload = read_open_upload(file.path);
    if (!upload) return fail(ErrorCode::Corrupt, file.path.string() + " was cut short by a crash");
    append_text(line, "key", upload->key);
    append_text(line, "upload_id", upload->upload_id);
  }
  line += "}\n";
  static_cast<void>(write(line));
  return {};
}

}  // namespace

std::string_view to_string(StateKind kind) {
  switch (kind) {
    case StateKind::Segment:
      return "journal segment";
    case StateKind::ForeignSegment:
      return "segment of another journal";
    case StateKind::Checkpoint:
      return "checkpoint of an output";
    case StateKind::Identity:
      return "journal identity";
    case StateKind::Lock:
      return "journal lock";
    case StateKind::Untrusted:
      return "segments to write again";
    case StateKind::TailOffsets:
      return "offsets of a tail input";
    case StateKind::DeadLetters:
      return "dead letters";
    case StateKind::OpenUpload:
      return "open S3 upload";
    case StateKind::Spool:
      return "S3 spool";
    case StateKind::Unfinished:
      return "unfinished file";
    case StateKind::SymbolicLink:
      return "symbolic link";
    case StateKind::Unknown:
      break;
  }
  return "unknown";
}

Result<std::vector<StateFile>> find_state_files(const fs::path& path) {
  std::error_code error;
  std::vector<StateFile> found;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return fail_errno(ENOENT, "cannot open " + path.string());
  if (!fs::is_directory(status)) {
    found.push_back(describe(
        fs::is_symlink(fs::symlink_status(path, error)) ? fs::canonical(path, error) : path));
    return found;
  }
  fs::recursive_directory_iterator entry(path, error);
  if (error) return fail_errno(error.value(), "cannot list " + path.string());
  for (; entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (error) return fail_errno(error.value(), "cannot list " + path.string());
    std::error_code gone;  // an entry removed meanwhile is not an error
    if (entry.depth() >= kDirectoryDepthMax) entry.disable_recursion_pending();
    if (entry->is_directory(gone) && !entry->is_symlink(gone)) continue;
    if (!fs::exists(entry->symlink_status(gone))) continue;
    if (found.size() == kStateFilesMax) {
      return fail(ErrorCode::Exhausted,
                  fmt::format("more than {} files below {}", kStateFilesMax, path.string()));
    }
    found.push_back(describe(entry->path()));
  }
  std::ranges::sort(found, {}, &StateFile::path);
  return found;
}

std::string format_state_files(const std::vector<StateFile>& files, const fs::path& root,
                               Timestamp now) {
  std::string out = fmt::format("{:<27}{:>12} {:>8}  {}\n", "FILE", "BYTES", "AGE", "NAME");
  for (const StateFile& file : files) {
    const fs::path name = file.path.lexically_relative(root);
    fmt::format_to(std::back_inserter(out), "{:<27}{:>12} {:>8}  {}\n", to_string(file.kind),
                   file.bytes, age(file.modified, now),
                   name.empty() || name == "." ? file.path.string() : name.string());
  }
  return out;
}

std::vector<std::string> verify_state_file(const StateFile& file) {
  std::vector<std::string> problems;
  switch (file.kind) {
    case StateKind::Segment:
    case StateKind::ForeignSegment: {
      if (file.kind == StateKind::ForeignSegment) break;  // nobody reads it
      Result<SegmentSummary> summary = inspect_segment_file(posix_file_system(), file.path, true);
      if (!summary)
        problems.push_back(summary.error().message);
      else
        problems = std::move(summary->problems);
      break;
    }
    case StateKind::Checkpoint:
      verify_checkpoint(file.path, problems);
      break;
    case StateKind::TailOffsets:
      verify_offsets(file.path, problems);
      break;
    case StateKind::DeadLetters:
      verify_dead_letters(file.path, problems);
      break;
    case StateKind::Identity: {
      const Result<std::string> bytes = read_file(file.path);
      const Result<JournalId> id = bytes ? decode_identity(*bytes) : std::unexpected(bytes.error());
      if (!id) problems.push_back(id.error().message);
      break;
    }
    case StateKind::OpenUpload:
      if (!read_open_upload(file.path)) {
        problems.emplace_back(
            "cut short: it does not say which upload; a lifecycle rule of the bucket has to abort "
            "it");
      }
      break;
    case StateKind::Lock:
    case StateKind::Untrusted:
    case StateKind::Spool:
    case StateKind::Unfinished:
    case StateKind::SymbolicLink:
    case StateKind::Unknown:
      break;
  }
  return problems;
}

Status dump_state_file(const StateFile& file, const std::function<bool(std::string_view)>& write) {
  switch (file.kind) {
    case StateKind::Segment:
    case StateKind::ForeignSegment:
      return dump_segment(file, write);
    case StateKind::Checkpoint:
      return dump_checkpoint(file, write);
    case StateKind::TailOffsets:
      return dump_offsets(file, write);
    case StateKind::DeadLetters:
      return dump_lines(file, write);
    case StateKind::Identity:
    case StateKind::Lock:
    case StateKind::Untrusted:
    case StateKind::OpenUpload:
      return dump_small(file, write);
    case StateKind::Spool:
    case StateKind::Unfinished:
    case StateKind::SymbolicLink:
    case StateKind::Unknown:
      break;
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("{} holds nothing that can be printed ({})",
                                                      file.path.string(), to_string(file.kind)));
}

}  // namespace noroshi
