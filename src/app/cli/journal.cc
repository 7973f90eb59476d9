#include <cstdio>

#include "app/cli/verbs.h"
#include "journal/inspect.h"

namespace noroshi {
namespace {

// A user may name the place (storage.path) or the journal directory in it.
Path journal_directory(const std::string& directory) {
  std::error_code ignored;
  const Path inside = Path(directory) / "journal";
  return std::filesystem::is_directory(inside, ignored) ? inside : Path(directory);
}

int complain(const Error& error) {
  std::fprintf(stderr, "noroshi journal: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int journal_list(const std::string& directory) {
  const Result<JournalSummary> summary =
      inspect_journal(posix_file_system(), journal_directory(directory), false);
  if (!summary) return complain(summary.error());
  std::fputs(format_summary(*summary).c_str(), stdout);
  return 0;
}

int journal_dump(const std::string& directory, uint64_t from, uint64_t count) {
  std::string line;
  const Status visited =
      visit_entries(posix_file_system(), journal_directory(directory), Offset{from},
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

int journal_verify(const std::string& directory) {
  const Result<JournalSummary> summary =
      inspect_journal(posix_file_system(), journal_directory(directory), true);
  if (!summary) return complain(summary.error());
  std::fputs(format_summary(*summary).c_str(), stdout);
  std::puts(summary->sound() ? "sound: every entry's checksum holds" : "NOT sound: see above");
  return summary->sound() ? 0 : 1;
}

}  // namespace noroshi
