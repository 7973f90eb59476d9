#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "app/cli/state_files.h"
#include "app/cli/verbs.h"
#include "journal/inspect.h"
#include "journal/journal_format.h"

namespace noroshi {
namespace {

// A user may name the place (storage.path), the journal directory in it, or any one file.
Path journal_directory(const std::string& path) {
  std::error_code ignored;
  const Path inside = Path(path) / "journal";
  return std::filesystem::is_directory(inside, ignored) ? inside : Path(path);
}

bool holds_journal(const Path& directory, const std::vector<StateFile>& files) {
  return std::ranges::any_of(files, [&](const StateFile& file) {
    return file.path.parent_path() == directory &&
           (file.kind == StateKind::Segment || file.kind == StateKind::Identity);
  });
}

int complain(const Error& error) {
  std::fprintf(stderr, "noroshi journal: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int journal_list(const std::string& path) {
  const Result<std::vector<StateFile>> files = find_state_files(path);
  if (!files) return complain(files.error());
  const Path directory = journal_directory(path);
  if (holds_journal(directory, *files)) {
    const Result<JournalSummary> summary = inspect_journal(posix_file_system(), directory, false);
    if (summary)
      fmt::print("{}\n", format_summary(*summary));
    else
      complain(summary.error());
  }
  fmt::print("{}", format_state_files(*files, path, system_clock().wall()));
  return 0;
}

int journal_dump(const std::string& path, uint64_t from, uint64_t count) {
  const Result<std::vector<StateFile>> files = find_state_files(path);
  if (!files) return complain(files.error());
  const Path directory = journal_directory(path);
  if (!holds_journal(directory, *files)) {
    // One file, or a directory of others: each as it is.
    const auto print = [&](std::string_view line) {
      if (count-- == 0) return false;
      std::fwrite(line.data(), 1, line.size(), stdout);
      return count > 0;
    };
    bool printed = false;
    for (const StateFile& file : *files) {
      if (count == 0) return 0;
      const Status dumped = dump_state_file(file, print);
      printed |= dumped.has_value();
      if (dumped) continue;
      // Of many files those that hold no records are passed over.
      const bool alone = files->size() == 1;
      if (alone || dumped.error().code != ErrorCode::InvalidArgument)
        return complain(dumped.error());
    }
    if (printed) return 0;
    return complain({.code = ErrorCode::NotFound, .message = path + " holds no file of noroshi's"});
  }
  std::string line;
  const Status visited = visit_entries(posix_file_system(), directory, Offset{from},
                                       [&](const EntryHead& head, const ChunkView& chunk) {
                                         for (uint32_t i = 0; i < chunk.records.size(); ++i) {
                                           if (chunk.offset(i).value < from) continue;
                                           if (count-- == 0) return false;
                                           line.clear();
                                           write_dump_line(line, head, chunk, i);
                                           std::fputs(line.c_str(), stdout);
                                         }
                                         return true;
                                       });
  return visited ? 0 : complain(visited.error());
}

int journal_verify(const std::string& path) {
  const Result<std::vector<StateFile>> files = find_state_files(path);
  if (!files) return complain(files.error());
  const Path directory = journal_directory(path);
  bool sound = true;
  const bool journal = holds_journal(directory, *files);
  if (journal) {
    const Result<JournalSummary> summary = inspect_journal(posix_file_system(), directory, true);
    if (!summary) {
      complain(summary.error());
      sound = false;
    } else {
      fmt::print("{}\n", format_summary(*summary));
      sound = summary->sound();
    }
  }
  size_t checked = 0, unknown = 0;
  for (const StateFile& file : *files) {
    if (file.kind == StateKind::Unknown || file.kind == StateKind::SymbolicLink) {
      fmt::print("{}: {}, not checked\n", file.path.string(), to_string(file.kind));
      ++unknown;
      continue;
    }
    ++checked;
    if (file.kind == StateKind::Untrusted) {
      fmt::print("{}: an fsync has failed, and what it left in doubt is not written again yet\n",
                 file.path.string());
    }
    // The journal has been checked as a whole.
    const bool in_journal = journal && file.path.parent_path() == directory;
    if (in_journal && file.kind != StateKind::Identity) continue;
    for (const std::string& problem : verify_state_file(file)) {
      fmt::print("{}: DAMAGED: {}\n", file.path.string(), problem);
      sound = false;
    }
  }
  if (checked == 0)
    return complain({.code = ErrorCode::NotFound, .message = path + " holds no file of noroshi's"});
  fmt::print("{}: {} files checked{}\n",
             sound ? "sound: every checksum holds" : "NOT sound: see above", checked,
             unknown > 0 ? fmt::format(", {} not noroshi's", unknown) : "");
  return sound ? 0 : 1;
}

}  // namespace noroshi
