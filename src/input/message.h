// From bytes to records, for the inputs that take a stream or datagrams of text (tcp, udp, syslog,
// exec): a Framer finds where a message ends, a MessageReader makes the record of it.
//
// A Framer belongs to one connection, a MessageReader to one input. Ingest thread only; no I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "record/chunk.h"

namespace noroshi {

// What a Framer found at the front of the bytes it was given.
struct Found {
  enum class Kind : uint8_t {
    Message,     // `message` is one
    Incomplete,  // no message yet: more bytes are needed
    Skipped,     // bytes that are no message; `problem` says why
  };
  Kind kind = Kind::Incomplete;
  size_t bytes = 0;  // to take away from the front, in every case
  std::string_view message = {};
  std::string_view problem = {};  // of Skipped, and of a Message that is only a piece of a long one
};

class Framer {
 public:
  virtual ~Framer() = default;
  // `bytes`: everything not yet taken away, the same front as in the last call and perhaps more
  // behind it: each byte is looked at once. `end`: nothing more will come; after the Incomplete
  // that answers it the framer begins anew.
  [[nodiscard]] virtual Found next(std::string_view bytes, bool end) = 0;
};

class MessageReader {
 public:
  virtual ~MessageReader() = default;
  // Appends the record of `message` to `chunk`; or returns false, with `chunk` as it was.
  // `source` is the address for source_address_key.
  [[nodiscard]] virtual bool append(std::string_view message, std::string_view source,
                                    Chunk& chunk) = 0;
  // What was wrong with the last message, also if a record was made of it; else empty.
  [[nodiscard]] virtual std::string_view problem() const = 0;
};

// Ends the record that begins at `begin` in the chunk's body and has `pairs` pairs: adds `key` with
// `source` if there is a key, and its entry.
void finish_record(Chunk& chunk, size_t begin, uint32_t pairs, std::string_view key,
                   std::string_view source, Timestamp time);

}  // namespace noroshi
