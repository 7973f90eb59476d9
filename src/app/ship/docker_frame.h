// The frame of Docker's fluentd driver (moby, daemon/logger/fluentd/fluentd.go): Forward's Message
// mode, always four elements, an empty option map unless an ack is wanted.
//
//   [tag, EventTime, {container_id, container_name, source, log, partial_…}, {} or {"chunk": id}]
#pragma once

#include <string>
#include <string_view>

#include "app/ship/line_splitter.h"

namespace noroshi::ship {

class DockerFrame {
 public:
  // `container_name` gets the leading '/' Docker writes.
  DockerFrame(std::string_view tag, std::string_view container_id, std::string_view container_name,
              std::string_view source);

  // Appends one frame. `ack_id` empty: no ack wanted.
  void append(const Piece& piece, std::string_view ack_id, std::string& out) const;

 private:
  std::string head_;    // array of four, tag
  std::string fields_;  // the fields that never change, after the map's head
};

// `bytes` random bytes as lower-case hexadecimal digits.
[[nodiscard]] std::string random_hex(size_t bytes);

// What Docker uses as ack id: base64 of the time (8 bytes, little-endian) and 8 random bytes.
[[nodiscard]] std::string make_ack_id(Timestamp now);

}  // namespace noroshi::ship
