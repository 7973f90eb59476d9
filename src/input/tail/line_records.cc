#include "input/tail/line_records.h"

#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi::tail {

LineRecords::LineRecords(const TailOptions& options, const TailedFiles& files,
                         InputMetrics& metrics, const Clock& clock, const std::string& log_name)
    : options_(options), files_(files), metrics_(metrics), clock_(clock), log_name_(log_name) {}

void LineRecords::take(TailedFile& file, std::string_view bytes) {
  current_ = &file;
  touched_.insert(file.id());
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, newline);
    const bool whole = newline != std::string_view::npos;
    const uint64_t next = file.position() - bytes.size() + piece.size() + (whole ? 1 : 0);
    if (file.skipping) {
      file.skipping = !whole;
    } else if (whole && file.line.empty() && piece.size() <= options_.line_bytes_max) {
      add_line(file, piece);
    } else {
      take_piece(file, piece, whole);
    }
    bytes.remove_prefix(piece.size() + (whole ? 1 : 0));
    if (whole) file.line.clear();
    if (whole || file.line.empty()) file.line_begin = next;
    // Very short lines make more records than bytes: what follows is read in the next turn.
    if (whole && !bytes.empty() && collector_.full_for(0)) {
      file.unread(next);
      break;
    }
  }
  current_ = nullptr;
  if (file.line.empty() && file.line.capacity() > options_.read_bytes) file.line.shrink_to_fit();
}

// A part of a line that came in several reads, or of one that is too long.
void LineRecords::take_piece(TailedFile& file, std::string_view piece, bool whole) {
  while (file.line.size() + piece.size() > options_.line_bytes_max) {
    const size_t room = options_.line_bytes_max - file.line.size();
    metrics_.malformed.add();
    const std::string_view then = options_.skip_long_lines  ? "it is left out"
                                  : options_.cut_long_lines ? "its end is left out"
                                                            : "it becomes several records";
    if (const auto times = log_long_.admit()) {
      log_warn(log_name_,
               "a line of {} at {} is longer than buffer_max_size ({} bytes): {} ({} times)",
               file.path(), file.line_begin, options_.line_bytes_max, then, times);
    }
    if (!options_.skip_long_lines) {
      file.line.append(piece.substr(0, room));
      add_line(file, file.line);
    }
    file.line.clear();
    if (options_.skip_long_lines || options_.cut_long_lines) {
      file.skipping = !whole;
      return;
    }
    piece.remove_prefix(room);
    file.line_begin += options_.line_bytes_max;
    if (piece.empty() && whole) return;
  }
  file.line.append(piece);
  if (whole) add_line(file, file.line);
}

bool LineRecords::take_last_line(TailedFile& file) {
  const size_t before = collector_.records();
  if (!file.line.empty() && !file.skipping) {
    add_line(file, file.line);
    file.line.clear();
    file.line_begin = file.position();
  }
  release(file);
  touched_.insert(file.id());
  return collector_.records() != before;
}

void LineRecords::release(const TailedFile& file) {
  if (options_.joiner) options_.joiner->release_stream(file.stream, *this);
}

void LineRecords::release_expired() {
  if (options_.joiner) options_.joiner->release_expired(*this);
}

void LineRecords::release_all() {
  if (options_.joiner) options_.joiner->release_all(*this);
}

void LineRecords::add_line(TailedFile& file, std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty() && options_.skip_empty_lines) return;
  if (options_.joiner && (!options_.joiner->idle() || options_.joiner->may_start(line)) &&
      options_.joiner->add(
          file.stream, {.text = line, .time = clock_.wall(), .position = file.line_begin}, *this)) {
    return;
  }
  Chunk& chunk = collector_.chunk_of(file.tag);
  const size_t begin = chunk.body.size();
  std::optional<Timestamp> time;
  std::optional<uint32_t> pairs;
  if (options_.parser) pairs = options_.parser->append_map(line, chunk.body, time);
  if (!pairs) {
    MsgpackWriter writer(chunk.body);
    writer.map_header(1);
    writer.string(options_.key), writer.string(line);
    pairs = 1;
  }
  finish_record(file, chunk, begin, *pairs, file.line_begin, time.value_or(clock_.wall()));
}

void LineRecords::finish_record(const TailedFile& file, Chunk& chunk, size_t begin, uint32_t pairs,
                                uint64_t position, Timestamp time) {
  const uint32_t more =
      (options_.path_key.empty() ? 0u : 1u) + (options_.offset_key.empty() ? 0u : 1u);
  if (more != 0) set_map_pairs(chunk.body, begin, pairs + more);
  MsgpackWriter writer(chunk.body);
  if (!options_.path_key.empty()) writer.string(options_.path_key), writer.string(file.path());
  if (!options_.offset_key.empty())
    writer.string(options_.offset_key), writer.unsigned_integer(position);
  const size_t size = chunk.body.size() - begin;
  chunk.records.push_back(
      {time, static_cast<uint32_t>(begin), 0, static_cast<uint32_t>(size), Severity::NotInferred});
  collector_.added(size);
}

// A message is complete; of the file being read, or of one whose time is over.
void LineRecords::take(MultilineMessage& message) {
  TailedFile* file = current_;
  if (file == nullptr || file->stream != message.stream) {
    file = nullptr;
    for (const auto& [id, each] : files_) {
      if (each->stream == message.stream) file = each.get();
    }
  }
  if (file == nullptr) return;
  touched_.insert(file->id());
  Chunk& chunk = collector_.chunk_of(file->tag);
  const size_t begin = chunk.body.size();
  std::optional<Timestamp> time;
  const uint32_t pairs = append_message(message.record, chunk.body, time);
  // Where the message began is not known any more: where the file is now.
  finish_record(*file, chunk, begin, pairs, file->line_begin, time.value_or(message.time));
}

uint32_t LineRecords::append_message(std::string_view record, std::string& body,
                                     std::optional<Timestamp>& time) {
  if (options_.first_line) {
    MapPairs joined(record);
    MapPair pair;
    if (joined.next(pair)) {
      if (const auto text = MsgpackReader(pair.value).read_binary())
        return options_.first_line->append_map(*text, options_.key, body, time);
    }
  }
  body.append(record);
  return MapPairs(record).count();
}

bool LineRecords::hand_on(SingleSource& source) {
  if (source.waiting()) return false;
  for (const FileId& id : touched_) {
    const auto found = files_.find(id);
    if (found == files_.end()) continue;
    TailedFile& file = *found->second;
    uint64_t end = file.line_begin;
    if (options_.joiner) end = options_.joiner->first_position(file.stream).value_or(end);
    if (end > file.announced()) collector_.chunk_of(file.tag).acks.push_back(file.begin_chunk(end));
  }
  touched_.clear();
  return collector_.hand_on_all([&](Chunk& chunk) { return source.hand_on(chunk); });
}

}  // namespace noroshi::tail
