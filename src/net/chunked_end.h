// The least that ends a chunked body, and why whoever feeds Beast's parser waits for so much.
#pragma once

#include <cstddef>

namespace noroshi {

// "0\r\n\r\n". Beast (1.81, basic_parser.ipp, parse_chunk_header) asserts that it sees so many
// bytes at once when it has seen the line of the last chunk before: a peer that sends an empty body
// as "0\r\n", "\r", "\n" would end the process. No body ends with fewer, so waiting for them delays
// nothing.
inline constexpr size_t kChunkedEndBytes = 5;

}  // namespace noroshi
