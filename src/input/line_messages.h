// Text between separators, each a record of its own.
#pragma once

#include "input/message.h"
#include "parser/parser.h"

namespace noroshi {

// Empty messages are left out. One longer than the limit comes in pieces, each with a `problem`.
// What has no separator at the end of the stream is a message as well.
class SeparatorFramer final : public Framer {
 public:
  // `separator` is not empty and outlives the framer.
  SeparatorFramer(std::string_view separator, size_t bytes_max)
      : separator_(separator), bytes_max_(bytes_max) {}
  [[nodiscard]] Found next(std::string_view bytes, bool end) override;

 private:
  const std::string_view separator_;
  const size_t bytes_max_;
  size_t scanned_ = 0;
};

// {key: message}, or what the parser makes of it; text the parser does not take is {key: …} as
// well.
class TextReader final : public MessageReader {
 public:
  TextReader(std::unique_ptr<Parser> parser, std::string source_key, const Clock& clock,
             std::string key = "log")
      : parser_(std::move(parser)),
        source_key_(std::move(source_key)),
        key_(std::move(key)),
        clock_(clock) {}
  [[nodiscard]] bool append(std::string_view message, std::string_view source,
                            Chunk& chunk) override;
  [[nodiscard]] std::string_view problem() const override { return {}; }

 private:
  const std::unique_ptr<Parser> parser_;
  const std::string source_key_, key_;
  const Clock& clock_;
};

}  // namespace noroshi
