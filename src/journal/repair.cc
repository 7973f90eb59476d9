#include "journal/repair.h"

#include <algorithm>
#include <memory>
#include <span>

#include "journal/journal_format.h"
#include "journal/segment_reader.h"

namespace noroshi {
namespace {

constexpr uint64_t kCopyBytes = 256 << 10;
// What a disk that fails to read loses at least.
constexpr uint64_t kPageBytes = 4 << 10;
static_assert(kCopyBytes % kPageBytes == 0);
// A journal has fewer segments; a longer file is not ours.
constexpr uint64_t kUntrustedBytesMax = 1 << 20;

// Fills `buffer`; behind the end of the file are zeros.
Status read_block(File& file, uint64_t position, std::span<char> buffer, bool accept_unreadable) {
  Result<size_t> count = file.read_at(position, buffer);
  if (count) {
    std::fill(buffer.begin() + static_cast<ptrdiff_t>(*count), buffer.end(), '\0');
    return {};
  }
  if (!accept_unreadable) return std::unexpected(std::move(count).error());
  for (uint64_t at = 0; at < buffer.size(); at += kPageBytes) {
    const std::span<char> page = buffer.subspan(at, std::min(kPageBytes, buffer.size() - at));
    count = file.read_at(position + at, page);
    const size_t good = count ? *count : 0;
    std::fill(page.begin() + static_cast<ptrdiff_t>(good), page.end(), '\0');
  }
  return {};
}

Status copy(File& from, File& to, uint64_t begin, uint64_t end, bool accept_unreadable) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kCopyBytes);
  for (uint64_t position = begin; position < end; position += kCopyBytes) {
    const std::span<char> block(buffer.get(), std::min(kCopyBytes, end - position));
    NOROSHI_TRY(read_block(from, position, block, accept_unreadable));
    const std::string_view piece(block.data(), block.size());
    NOROSHI_TRY(to.write_at(position, {&piece, 1}));
  }
  return to.sync();
}

// What is whole in `path`, and which offsets of the segment are not.
Status verify(FileSystem& files, const Path& path, const Segment& segment,
              RewrittenSegment& result) {
  NOROSHI_ASSIGN(std::unique_ptr<File> file, files.open(path, OpenMode::Read));
  const Offset end = segment.end_offset.load();
  SegmentReader reader(std::move(file), segment.salt, segment.first);
  EntryHead head;
  ChunkView chunk;
  for (;;) {
    NOROSHI_ASSIGN(const SegmentReader::Step step,
                   reader.next(segment.end_position.load(), end, head));
    if (step == SegmentReader::Step::End) break;
    if (step == SegmentReader::Step::Gap) {
      result.lost.push_back({reader.gap_begin(), reader.expected()});
      continue;
    }
    NOROSHI_ASSIGN(const bool whole, reader.load(chunk));
    if (whole)
      result.records += head.record_count;
    else
      result.lost.push_back({head.base, head.end()});
  }
  if (reader.expected() < end) result.lost.push_back({reader.expected(), end});
  return {};
}

Status rewrite_in_place(FileSystem& files, const Segment& segment, RewrittenSegment& result) {
  NOROSHI_ASSIGN(const std::unique_ptr<File> file, files.open(segment.path, OpenMode::ReadWrite));
  // Zeros in the place of what cannot be read now would make it unreadable for good.
  NOROSHI_TRY(copy(*file, *file, 0, segment.end_position.load(), false));
  result.fresh.clear();
  return verify(files, segment.path, segment, result);
}

}  // namespace

Result<RewrittenSegment> rewrite_segment(FileSystem& files, const Segment& segment,
                                         bool accept_unreadable) {
  RewrittenSegment result;
  result.bytes = segment.end_position.load();
  NOROSHI_ASSIGN(const std::unique_ptr<File> old, files.open(segment.path, OpenMode::Read));
  result.fresh = segment.path.string() + std::string(kUnfinishedSuffix);
  Status copied;
  {
    Result<std::unique_ptr<File>> fresh = files.open(result.fresh, OpenMode::Create);
    copied = fresh ? copy(*old, **fresh, 0, result.bytes, accept_unreadable)
                   : Status(std::unexpected(std::move(fresh).error()));
  }
  if (copied) copied = verify(files, result.fresh, segment, result);
  if (copied) return result;
  // Found and removed at the next start if this fails, too.
  static_cast<void>(files.remove(result.fresh).has_value());
  result.lost.clear();
  result.records = 0;
  if (copied.error().code == ErrorCode::Exhausted)
    copied = rewrite_in_place(files, segment, result);
  if (!copied) return std::unexpected(std::move(copied).error());
  return result;
}

Result<std::vector<std::string>> read_untrusted(FileSystem& files, const Path& directory) {
  std::vector<std::string> names;
  auto file = files.open(directory / kUntrustedFileName, OpenMode::Read);
  if (!file) {
    if (file.error().code == ErrorCode::NotFound) return names;
    return std::unexpected(std::move(file).error());
  }
  std::string text(kUntrustedBytesMax, '\0');
  NOROSHI_ASSIGN(const size_t count, (*file)->read_at(0, text));
  text.resize(count);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (parse_segment_file_name(text.substr(begin, end - begin)))
      names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

Status write_untrusted(FileSystem& files, const Path& directory,
                       const std::vector<std::string>& names) {
  const Path path = directory / kUntrustedFileName;
  if (names.empty()) {
    Status removed = files.remove(path);
    if (!removed && removed.error().code == ErrorCode::NotFound) return {};
    return removed;
  }
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  const std::string_view piece = text;
  // Whole or not at all: a kill in between must not forget what was listed before.
  const Path fresh = path.string() + std::string(kUnfinishedSuffix);
  {
    NOROSHI_ASSIGN(const std::unique_ptr<File> file, files.open(fresh, OpenMode::Create));
    NOROSHI_TRY(file->write_at(0, {&piece, 1}));
  }
  return files.rename(fresh, path);
}

}  // namespace noroshi
