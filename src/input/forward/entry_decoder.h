// EntryDecoder: the records of one frame, into a ChunkCollector. It stops when the collector is
// full and goes on where it was: a frame that expands to 100 MB passes through one megabyte at a
// time.
//
// A bad entry does not stop it: what can be decoded is stored, what cannot is counted. Only where
// the end of an entry cannot be known (byte c1, cut off, broken compression) the rest of the frame
// is given up.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "input/chunk_collector.h"
#include "input/forward/frame.h"
#include "input/forward/inflater.h"

namespace noroshi::forward {

// Plain bytes one compressed frame may expand to, unless configured: a bomb ends here.
inline constexpr uint64_t kInflatedBytesMax = 256ull << 20;

// A frame with so many bad entries is no frame of a Forward client: its rest is not looked at. (A
// bomb of 256 KB can hold 256 million of them.)
inline constexpr uint64_t kMalformedEntriesMax = 1000;

class EntryDecoder {
 public:
  // `clock` gives the time of records whose own cannot be represented.
  explicit EntryDecoder(const Clock& clock) : clock_(clock) {}

  // `frame` points into the caller's buffer, which must not change until the frame is done. `tag`
  // is the one the records get. `ack`, if any, goes into every chunk that gets a record of the
  // frame; it is the caller's to fail when malformed() is not 0 at the end.
  void begin(const Frame& frame, std::string_view tag, std::shared_ptr<PendingAck> ack,
             uint64_t inflated_bytes_max = kInflatedBytesMax);

  enum class Progress : uint8_t { Done, CollectorFull };
  // After CollectorFull: hand the chunks on, then call again.
  [[nodiscard]] Progress decode(ChunkCollector& collector);

  // Of the current frame, also when it is done.
  [[nodiscard]] const std::string& tag() const { return tag_; }
  [[nodiscard]] uint64_t malformed() const { return malformed_; }
  // What was wrong with the first bad entry: static text, or the decompressor's.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // It is no frame of a Forward client but a bomb, or noise: its rest was not looked at.
  [[nodiscard]] bool hostile() const { return hostile_; }
  // Records whose time was out of range and which got the time of their arrival instead.
  [[nodiscard]] uint64_t times_replaced() const { return times_replaced_; }

 private:
  enum class Step : uint8_t { Taken, NeedsMore, CollectorFull, Lost };

  [[nodiscard]] Progress decode_plain(ChunkCollector& collector);
  [[nodiscard]] Progress decode_compressed(ChunkCollector& collector);
  // One entry at the front of `bytes`; Taken: `bytes` is behind it.
  [[nodiscard]] Step take_entry(std::string_view& bytes, ChunkCollector& collector);
  [[nodiscard]] Step store(std::string_view time, std::string_view record,
                           std::string_view metadata, uint64_t containers,
                           ChunkCollector& collector);
  void bad(std::string_view why);
  // Makes room behind the unread bytes and fills it; false at the end of the payload or on an
  // error.
  [[nodiscard]] bool refill();

  const Clock& clock_;
  Inflater inflater_;
  Frame frame_;
  std::string tag_;
  std::shared_ptr<PendingAck> ack_;
  bool done_ = true;
  bool hostile_ = false;
  std::string_view rest_ = {};  // entries not yet taken

  // Decompressed bytes: [window_begin_, window_end_) of window_ are not yet taken.
  std::unique_ptr<char[]> window_;
  size_t window_size_ = 0, window_begin_ = 0, window_end_ = 0;
  uint64_t inflated_ = 0;
  uint64_t inflated_max_ = 0;

  uint64_t malformed_ = 0;
  uint64_t times_replaced_ = 0;
  std::string problem_;
};

}  // namespace noroshi::forward
