// JSON documents one after the other, with or without anything between them, as Fluent Bit's tcp
// and udp inputs take them.
#pragma once

#include <bitset>

#include "input/message.h"
#include "record/json_parser.h"
#include "record/msgpack_reader.h"

namespace noroshi {

// Finds the end of each object or array while its bytes arrive, checking the grammar's punctuation
// on the way: `{"a":1` without its end is found out at the `{` of the next line and not at the end
// of the stream. After bytes that cannot be JSON it goes on behind the last newline before them,
// else behind the next one. A document above the limit is left out whole, without being kept.
class JsonFramer final : public Framer {
 public:
  explicit JsonFramer(size_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] Found next(std::string_view bytes, bool end) override;

 private:
  // What may come next.
  enum class Expect : uint8_t { Value, FirstValue, Key, FirstKey, Colon, Comma, InText, Escaped };
  enum class Step : uint8_t { More, Complete, Wrong };

  [[nodiscard]] Step scan(std::string_view bytes);
  [[nodiscard]] bool punctuation(char c);
  [[nodiscard]] bool open(bool map);
  [[nodiscard]] bool close(bool map);
  [[nodiscard]] Found resynchronise(std::string_view bytes);
  void begin_document();

  const size_t bytes_max_;
  size_t scanned_ = 0;  // bytes of the document already looked at
  bool in_document_ = false;
  bool skipping_line_ = false;
  bool too_long_ = false;
  Expect expect_ = Expect::Value;
  bool text_is_key_ = false;
  uint32_t depth_ = 0;
  std::bitset<kMsgpackDepthMax> is_map_;
};

// {"a":1} becomes the record, [1,2] {"msg":[1,2]}; anything else is no record.
class JsonReader final : public MessageReader {
 public:
  JsonReader(std::string source_key, const Clock& clock)
      : source_key_(std::move(source_key)), clock_(clock) {}
  [[nodiscard]] bool append(std::string_view message, std::string_view source,
                            Chunk& chunk) override;
  [[nodiscard]] std::string_view problem() const override { return problem_; }

 private:
  const std::string source_key_;
  const Clock& clock_;
  JsonToMsgpack json_;
  std::string mended_;
  std::string_view problem_;
};

}  // namespace noroshi
