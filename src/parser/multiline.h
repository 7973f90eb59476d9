// MultilineJoiner: joins the lines of each stream into messages by one or several MultilineRules,
// of which the first that a line starts is used: what `multiline.parser` means in filter multiline
// and input tail.
//
//   if (!joiner.may_start(text) && joiner.idle()) …pass on…          // the fast path
//   if (!joiner.add(stream, {.text = text, .time = time}, output)) …pass the line on yourself…
//
// Nothing is lost: a message ends with its rules, after its timeout, at one of the limits (it then
// goes on in a further message, counted in splits()) or at release_all(). Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parser/multiline_rules.h"
#include "record/chunk.h"

namespace noroshi {

class ParserRegistry;

// Lines of one message at most.
inline constexpr uint32_t kMultilineLinesMax = 10'000;
// Streams with an open message, and their bytes together; beyond either the oldest is released.
inline constexpr size_t kMultilineStreamsMax = 1024;
inline constexpr uint64_t kMultilineBytesOpenMax = 8 << 20;
// What a message that is probably complete waits for one more line.
inline constexpr Nanoseconds kMultilineShortWait = Milliseconds(500);

struct MultilineLine {
  std::string_view text = {};  // without its line end
  Timestamp time = {};
  // The record (a MessagePack map) whose key_content `text` is; empty: there is none, and the
  // message is the record {key_content: text}.
  std::string_view record = {};
  std::string_view metadata = {};
  std::span<const std::shared_ptr<PendingAck>> acks = {};  // held until the message is out
  uint64_t position = 0;                                   // the caller's; see first_position()
};

// All views are valid during the call only.
struct MultilineMessage {
  std::string_view stream = {};
  Timestamp time = {};  // of the first line
  std::string_view metadata = {}, record = {};
  uint32_t lines = 0;
  std::vector<std::shared_ptr<PendingAck>>& acks;  // move them away
};

class MultilineOutput {
 public:
  virtual ~MultilineOutput() = default;
  virtual void take(MultilineMessage& message) = 0;
};

struct MultilineSettings {
  std::string key_content = {};                   // beats the rules' own; then "log"
  std::optional<Nanoseconds> flush_timeout = {};  // beats the rules' own (the longest)
  uint64_t message_bytes_max = 2 << 20;           // Fluent Bit's multiline_buffer_limit
};

class MultilineJoiner {
 public:
  // NotFound if a line parser the rules name does not exist. `registry` and `clock` outlive it.
  [[nodiscard]] static Result<std::unique_ptr<MultilineJoiner>> make(
      std::vector<std::shared_ptr<const MultilineRules>> rules, MultilineSettings settings,
      const ParserRegistry& registry, const Clock& clock);
  ~MultilineJoiner();

  // No message is open in any stream.
  [[nodiscard]] bool idle() const;
  // False: while idle(), add() would say false.
  [[nodiscard]] bool may_start(std::string_view text) const;
  // Gives `output` what the line ends. False: the line is no part of a message, pass it on.
  bool add(std::string_view stream, const MultilineLine& line, MultilineOutput& output);

  void release_expired(MultilineOutput& output);  // call about once a second
  void release_stream(std::string_view stream, MultilineOutput& output);
  void release_all(MultilineOutput& output);

  // Of the first line that is still held of this stream: where a reader would have to begin again.
  [[nodiscard]] std::optional<uint64_t> first_position(std::string_view stream) const;
  // Messages joined of two or more lines; messages ended by a limit.
  [[nodiscard]] uint64_t joined() const;
  [[nodiscard]] uint64_t splits() const;
  // The key whose text is looked at: key_content, or log.
  [[nodiscard]] const std::string& key_content() const;

 private:
  struct Impl;
  explicit MultilineJoiner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noroshi
