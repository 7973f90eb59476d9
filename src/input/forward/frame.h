// Frames of the Forward protocol
// (github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.5): MessagePack arrays back to
// back on one stream. FrameScanner finds where the next one ends while its bytes still arrive;
// parse_frame() then says what it is. No copy: everything points into the caller's buffer.
//
//   Message        [tag, time, record, option?]
//   Forward        [tag, [[time, record], …], option?]
//   PackedForward  [tag, bin|str of entries, option?]      compressed too: gzip, zstd
//   heartbeat      nil
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

namespace noroshi::forward {

// Looks at every byte of a frame once, however small the pieces are in which it arrives.
class FrameScanner {
 public:
  enum class Outcome : uint8_t {
    Frame,       // complete: size() bytes
    Incomplete,  // at least needed() bytes in all; ask again with more
    TooLarge,    // will be more than `size_max`: found out from the header, before its bytes arrive
    NotForward,  // the stream is something else, or lost: there is no next frame
  };

  // `bytes`: everything received since the frame's first byte. After Frame: reset() before the next
  // one.
  [[nodiscard]] Outcome scan(std::string_view bytes, uint64_t size_max);
  void reset() { *this = FrameScanner(); }

  [[nodiscard]] uint64_t size() const { return position_; }
  [[nodiscard]] uint64_t needed() const { return position_ + pending_; }

  // Of the frame's array; 0 for a heartbeat (nil).
  [[nodiscard]] uint32_t elements() const { return elements_; }
  [[nodiscard]] bool heartbeat() const { return heartbeat_; }
  // Arrays and maps in it: an upper bound of its depth.
  [[nodiscard]] uint64_t containers() const { return containers_; }
  // Element `index` (below 4 and elements()) of a complete frame, one MessagePack value.
  [[nodiscard]] std::string_view element(std::string_view frame, uint32_t index) const;

 private:
  static constexpr uint32_t kElementsKept =
      4;  // tag, time, record, option; further ones are ignored

  uint64_t position_ = 0;  // of the next head
  uint64_t pending_ = 1;   // values still to come
  uint64_t containers_ = 0;
  uint64_t elements_left_ = 0;  // of the outer array, not yet begun
  uint32_t elements_ = 0;
  bool began_ = false;
  bool heartbeat_ = false;
  std::array<uint64_t, kElementsKept + 1> starts_ = {};
};

// What a stream that is no Forward stream seems to be, for the log: "a TLS handshake", "JSON",
// "HTTP".
[[nodiscard]] std::string_view guess_protocol(std::string_view first_bytes);

enum class FrameMode : uint8_t { Message, Forward, Packed };
[[nodiscard]] std::string_view to_string(FrameMode mode);
enum class Compression : uint8_t { None, Gzip, Zstd };

struct Frame {
  FrameMode mode = FrameMode::Message;
  Compression compression = Compression::None;
  std::string_view tag = {};
  // Message: the time and the record. Otherwise `entries`: [time, record] values back to back.
  std::string_view time = {};
  std::string_view record = {};
  std::string_view metadata = {};  // Message: option.metadata, a map, or empty
  uint64_t containers = 0;         // Message: not less than there are in record or metadata
  std::string_view entries = {};
  std::string_view ack_id =
      {};               // option.chunk as the MessagePack value it came as; empty: no ack wanted
  uint64_t signal = 0;  // option.fluent_signal: 0 logs, 1 metrics, 2 traces
};

inline constexpr size_t kTagBytesMax = 1024;
inline constexpr size_t kAckIdBytesMax = 1024;

// `scanner` has just found `frame` complete. On error (static text for the log) the frame cannot be
// used, the one after it can.
[[nodiscard]] std::expected<Frame, std::string_view> parse_frame(std::string_view frame,
                                                                 const FrameScanner& scanner);

}  // namespace noroshi::forward
