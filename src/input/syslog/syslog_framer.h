// Where a syslog message ends in a stream (RFC 6587): at a newline or NUL ("non-transparent
// framing"), or after as many bytes as the number in front of it says ("octet counting").
#pragma once

#include "input/message.h"

namespace noroshi::syslog {

enum class Framing : uint8_t {
  Either,        // a message that begins with a number, a space and '<' is counted
  Newline,       // never counted
  OctetCounted,  // always counted; what is not is left out up to the next newline
};

// A message longer than the limit comes in pieces, each with a `problem`. What is there at the end
// of the stream is a message as well.
class SyslogFramer final : public Framer {
 public:
  SyslogFramer(Framing framing, size_t bytes_max) : framing_(framing), bytes_max_(bytes_max) {}
  [[nodiscard]] Found next(std::string_view bytes, bool end) override;

 private:
  // The head of a counted message: its bytes, and those of the head.
  struct Head {
    enum class Is : uint8_t { Counted, NotCounted, Unknown } is = Is::NotCounted;
    size_t size = 0;
    size_t message = 0;
  };
  [[nodiscard]] Head read_head(std::string_view bytes, bool end) const;
  [[nodiscard]] Found next_counted(std::string_view bytes, bool end);
  [[nodiscard]] Found next_line(std::string_view bytes, bool end);

  const Framing framing_;
  const size_t bytes_max_;
  size_t left_ = 0;     // of the counted message under way
  size_t scanned_ = 0;  // of the line under way
  bool in_line_ = false;
  bool skipping_line_ = false;
};

// A datagram: all of it, without the newline or NUL at its end.
class DatagramFramer final : public Framer {
 public:
  [[nodiscard]] Found next(std::string_view bytes, bool end) override;
};

}  // namespace noroshi::syslog
