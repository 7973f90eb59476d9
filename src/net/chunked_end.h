// Where Beast's parser must not be fed byte by byte, and why.
#pragma once

#include <string_view>

namespace noroshi {

// True while the unread bytes of a chunked body, from the beginning of a chunk's line on, may be
// the end of an empty body ("0\r\n\r\n") and are not all of it. Beast (1.81, basic_parser.ipp,
// parse_chunk_header) asserts that it sees five bytes once it has seen that line: a peer that sends
// "0\r\n", "\r", "\n" would end the process. Bytes of a chunk are never among those that wait, and
// nothing ends with fewer, so waiting delays nothing.
[[nodiscard]] inline bool is_part_of_empty_body(std::string_view unread) {
  constexpr std::string_view kLastLine = "0\r\n";
  constexpr size_t kEndBytes = 5;
  return unread.size() < kEndBytes && kLastLine.starts_with(unread.substr(0, kLastLine.size()));
}

}  // namespace noroshi
