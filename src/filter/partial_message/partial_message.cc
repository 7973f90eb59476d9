// Docker's fluentd driver (moby daemon/logger/fluentd, copier.go) cuts a line longer than 16 KiB
// into pieces, each a record of its own with the fields
//
//   partial_message "true"   partial_id (one per line)   partial_ordinal "1", "2" …   partial_last
//   "true"|"false"
//
// and the time of the first piece. Pieces of stdout and stderr interleave. The last piece is empty
// if the line is a multiple of 16 KiB long, and never comes if the container ends without a line
// end.
//
// The first piece opens a message; the following ones are appended in the order of their ordinals;
// the last one closes it, and the joined record (without the partial_… fields) stands in its place
// in the chunk. What was opened and does not close in time, grows too large, or has to make room,
// is released as far as it is, with the first piece's partial_… fields: they say truly that the
// line is not whole. A piece whose message is not open (its first piece was never seen, or it was
// released) passes on unchanged.
//
// A message holds the acks of all chunks its pieces came in, so a client is told "stored" only
// after the joined record is.
#include "filter/partial_message/partial_message.h"

#include <algorithm>
#include <charconv>
#include <list>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "filter/chunk_rewriter.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<PartialMessageOptions>& partial_message_option_table() {
  using O = PartialMessageOptions;
  static const auto table =
      OptionTable<O>("partial_message", "Joins the pieces of long lines that Docker cuts.")
          .option("enabled", &O::enabled, "on", "Off: pieces pass on as they are.")
          .option("key", &O::key, "log", "The key under which the text is.")
          .option("size_limit", &O::size_limit, "1MiB",
                  "Size of a joined record at most; a longer line is released in parts.")
          .between("16KiB", "8MiB")
          .option("flush_timeout", &O::flush_timeout, "5s",
                  "How long the first piece waits for the last one.")
          .between("100ms", "1h");
  return table;
}

namespace {

constexpr std::string_view kMarker = "partial_message";
// Pieces that arrived before their predecessors, of one message.
constexpr size_t kEarlyPiecesMax = 64;
// Bookkeeping: an end, an ack.
constexpr uint64_t kBytesPerPiece = 24;

// What a record says about itself as a piece; views into the record.
struct Piece {
  std::string_view container, source, id;
  std::string_view log;        // its text
  std::string_view log_value;  // its MessagePack
  uint32_t ordinal = 0;
  bool partial = false, last = false;

  // Enough to be joined; else the record passes on.
  [[nodiscard]] bool joinable() const {
    return partial && !id.empty() && ordinal > 0 && log_value.data() != nullptr;
  }
};

// Whether the marker stands anywhere in `body`: no is the usual answer, so it is found by the one
// byte of it that few texts have many of. memmem() takes more than twice as long here.
bool holds_marker(std::string_view body) {
  constexpr size_t kRareAt = kMarker.find('_');
  for (size_t at = body.find('_', kRareAt); at != body.npos; at = body.find('_', at + 1)) {
    if (body.substr(at - kRareAt, kMarker.size()) == kMarker) return true;
  }
  return false;
}

bool says_true(const MsgpackToken& token) {
  return token.type == MsgpackType::Bool ? token.boolean : token.bytes == "true";
}

uint32_t ordinal_of(const MsgpackToken& token) {
  if (token.type == MsgpackType::UnsignedInteger) {
    return token.unsigned_integer <= UINT32_MAX ? static_cast<uint32_t>(token.unsigned_integer) : 0;
  }
  uint32_t value = 0;
  const std::string_view text = token.bytes;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

Piece piece_of(std::string_view record, std::string_view text_key) {
  Piece piece;
  MapPairs pairs(record);
  for (MapPair pair; pairs.next(pair);) {
    const auto value = MsgpackReader(pair.value).next();
    if (!value) continue;
    const bool text = value->type == MsgpackType::String || value->type == MsgpackType::Binary;
    if (pair.name == kMarker)
      piece.partial = says_true(*value);
    else if (pair.name == "partial_last")
      piece.last = says_true(*value);
    else if (pair.name == "partial_ordinal")
      piece.ordinal = ordinal_of(*value);
    else if (!text)
      continue;
    else if (pair.name == "partial_id")
      piece.id = value->bytes;
    else if (pair.name == "container_id")
      piece.container = value->bytes;
    else if (pair.name == "source")
      piece.source = value->bytes;
    else if (pair.name == text_key)
      piece.log = value->bytes, piece.log_value = pair.value;
  }
  return piece;
}

bool is_piece_field(std::string_view name) {
  return name == kMarker || name == "partial_id" || name == "partial_ordinal" ||
         name == "partial_last";
}

struct Message {
  std::string key;  // container, source, partial id
  std::string tag;
  uint16_t input = kNoInput;
  Timestamp time;
  std::string metadata;        // of the first piece
  std::string record;          // the first piece whole
  std::string log;             // joined so far
  std::vector<uint32_t> ends;  // in `log`, of each piece joined
  struct Early {
    std::string log;
    bool last;
  };
  std::map<uint32_t, Early> early;  // by ordinal
  bool complete = false;
  Monotonic opened;
  std::vector<std::shared_ptr<PendingAck>> acks;

  [[nodiscard]] uint32_t next_ordinal() const { return static_cast<uint32_t>(ends.size()) + 1; }
  // Of the joined record at least, and what the message costs besides.
  [[nodiscard]] uint64_t bytes() const {
    uint64_t sum = record.size() + metadata.size() + log.size() + key.size() + tag.size() +
                   ends.size() * kBytesPerPiece;
    for (const auto& [ordinal, piece] : early) sum += piece.log.size() + kBytesPerPiece;
    return sum;
  }
  // Early pieces whose turn has come.
  void take_early() {
    for (auto next = early.begin(); next != early.end() && next->first == next_ordinal();) {
      log.append(next->second.log);
      ends.push_back(static_cast<uint32_t>(log.size()));
      complete |= next->second.last;
      next = early.erase(next);
    }
  }
  // Early pieces that wait for one that never came, in their order.
  void take_rest() {
    for (const auto& [ordinal, piece] : early) log.append(piece.log);
    early.clear();
  }
  void hold(const std::vector<std::shared_ptr<PendingAck>>& of_chunk) {
    for (const auto& ack : of_chunk) {
      if (acks.empty() || acks.back() != ack) acks.push_back(ack);
    }
  }
  // The record to send on: the first piece with the joined text.
  void append_record(std::string& body, std::string_view text_key) const {
    const size_t map = body.size();
    body.push_back('\x80');
    uint32_t count = 0;
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      if (complete && is_piece_field(pair.name)) continue;
      body.append(pair.key);
      if (pair.name == text_key)
        MsgpackWriter(body).string(log);
      else
        body.append(pair.value);
      ++count;
    }
    set_map_pairs(body, map, count);
  }
};

class PartialMessageFilter final : public Filter {
 public:
  PartialMessageFilter(const PartialMessageOptions& options, const Clock& clock)
      : options_(options), clock_(clock) {}

  void apply(Chunk& chunk, FilterOutput& output, FilterMetrics&) override {
    if (!options_.enabled || !holds_marker(chunk.body)) return;
    rewriter_.begin(chunk);
    joined_acks_.clear();
    for (const RecordEntry& entry : chunk.records) {
      const std::string_view record = chunk.view().record(entry);
      const Piece piece = piece_of(record, options_.key);
      if (!piece.joinable() || !take(piece, chunk, entry, output)) rewriter_.keep(entry);
    }
    rewriter_.finish();
    // Joined records stand in this chunk now, so it carries the acks of all their pieces.
    const auto own = static_cast<ptrdiff_t>(chunk.acks.size());
    for (auto& ack : joined_acks_) {
      const auto own_end = chunk.acks.begin() + own;
      if (std::find(chunk.acks.begin(), own_end, ack) == own_end) {
        chunk.acks.push_back(std::move(ack));
      }
    }
    joined_acks_.clear();
  }

  void on_tick(FilterOutput& output, FilterMetrics&) override {
    const Monotonic now = clock_.monotonic();
    while (!open_.empty() && now - open_.front().opened >= options_.flush_timeout) {
      release(open_.begin(), output);
    }
  }

  void flush(FilterOutput& output, FilterMetrics&) override {
    while (!open_.empty()) release(open_.begin(), output);
  }

 private:
  using Open = std::list<Message>;  // in the order they were opened

  // Makes the piece part of a message. False: it passes on.
  bool take(const Piece& piece, const Chunk& chunk, const RecordEntry& entry,
            FilterOutput& output) {
    key_.assign(piece.container).append(1, '\0').append(piece.source).append(1, '\0');
    key_.append(piece.id);
    const auto found = by_key_.find(key_);
    if (found == by_key_.end()) {
      if (piece.ordinal != 1) return false;
      open(piece, chunk, entry);
      if (piece.last) put(std::prev(open_.end()));
      make_room(output);
      return true;
    }
    const Open::iterator message = found->second;
    if (piece.ordinal < message->next_ordinal()) {
      if (!is_repeat(*message, piece)) return false;
      message->hold(chunk.acks);
      return true;
    }
    if (const auto early = message->early.find(piece.ordinal); early != message->early.end()) {
      if (early->second.log != piece.log) return false;
      message->hold(chunk.acks);
      return true;
    }
    const uint64_t bytes_before = message->bytes();
    if (bytes_before + piece.log.size() + kBytesPerPiece > options_.size_limit.bytes ||
        message->early.size() >= kEarlyPiecesMax) {
      if (message->tag == chunk.tag)
        put(message);
      else
        release(message, output);
      return false;
    }
    message->hold(chunk.acks);
    message->early.emplace(piece.ordinal, Message::Early{std::string(piece.log), piece.last});
    message->take_early();
    open_bytes_ += message->bytes() - bytes_before;
    if (message->complete) put(message);
    make_room(output);
    return true;
  }

  void open(const Piece& piece, const Chunk& chunk, const RecordEntry& entry) {
    Message& message = open_.emplace_back();
    message.key = key_;
    message.tag = chunk.tag;
    message.input = chunk.input;
    message.time = entry.time;
    message.metadata = chunk.view().metadata(entry);
    message.log = piece.log;
    message.ends = {static_cast<uint32_t>(piece.log.size())};
    message.complete = piece.last;
    message.opened = clock_.monotonic();
    // The first piece without its text, which is in `log`.
    const std::string_view record = chunk.view().record(entry);
    const auto before = static_cast<size_t>(piece.log_value.data() - record.data());
    message.record.append(record.substr(0, before)).push_back('\xa0');
    message.record.append(record.substr(before + piece.log_value.size()));
    message.hold(chunk.acks);
    open_bytes_ += message.bytes();
    by_key_[message.key] = std::prev(open_.end());
  }

  // A client that repeats what it sent before (at least once): the same bytes under the same
  // ordinal.
  static bool is_repeat(const Message& message, const Piece& piece) {
    const uint32_t index = piece.ordinal - 1;
    const uint32_t begin = index == 0 ? 0 : message.ends[index - 1];
    return std::string_view(message.log).substr(begin, message.ends[index] - begin) == piece.log;
  }

  // The message, whole or as far as it is, takes its place in the chunk being rewritten.
  void put(Open::iterator message) {
    message->take_rest();
    message->append_record(rewriter_.begin_new_record(message->metadata), options_.key);
    rewriter_.end_record(message->time);
    joined_acks_.insert(joined_acks_.end(), message->acks.begin(), message->acks.end());
    forget(message);
  }

  // The message as far as it is, in a chunk of its own.
  void release(Open::iterator message, FilterOutput& output) {
    message->take_rest();
    Chunk chunk;
    chunk.tag = message->tag;
    chunk.input = message->input;
    chunk.acks = message->acks;
    scratch_.clear();
    message->append_record(scratch_, options_.key);
    chunk.append(message->time, scratch_, message->metadata);
    forget(message);
    output.emit(chunk, false);
  }

  void forget(Open::iterator message) {
    by_key_.erase(message->key);
    open_.erase(message);
    open_bytes_ = 0;
    for (const Message& other : open_) open_bytes_ += other.bytes();
  }

  void make_room(FilterOutput& output) {
    while (open_.size() > kPartialMessagesOpenMax ||
           (open_bytes_ > kPartialBytesOpenMax && !open_.empty())) {
      release(open_.begin(), output);
    }
  }

  const PartialMessageOptions options_;
  const Clock& clock_;
  Open open_;
  std::unordered_map<std::string_view, Open::iterator> by_key_;  // keys live in the messages
  uint64_t open_bytes_ = 0;
  ChunkRewriter rewriter_;
  std::vector<std::shared_ptr<PendingAck>> joined_acks_;
  std::string key_, scratch_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const PartialMessageOptions options = partial_message_option_table().parse(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  made.description = options.enabled ? fmt::format("joins Docker's pieces up to {}, within {}",
                                                   to_string(options.size_limit),
                                                   duration_to_string(options.flush_timeout))
                                     : "off";
  made.filter = make_partial_message(options, context.clock);
  return made;
}

}  // namespace

std::unique_ptr<Filter> make_partial_message(const PartialMessageOptions& options,
                                             const Clock& clock) {
  return std::make_unique<PartialMessageFilter>(options, clock);
}

const FilterPlugin kPartialMessageFilter = {
    .name = "partial_message",
    .summary = "Joins the pieces of long lines that Docker cuts.",
    .options = [] { return partial_message_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
