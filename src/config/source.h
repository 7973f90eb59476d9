// SourceText and SourceLocation: which characters of which configuration text a value came from.
//
// A location keeps its text alive, so diagnostics can quote the line after parser and document are
// gone. Immutable, cheap to copy (one shared pointer), safe to share between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace noroshi {

// One file or inline text, as read. Lines end with LF; a CR before it is not part of the line.
class SourceText {
 public:
  // `name` is what messages show: the path as the user wrote it, or "NOROSHI_CONFIG".
  SourceText(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& text() const { return text_; }
  // Line 1 is the first. Empty beyond the end. Cost: a scan from the start of the text.
  [[nodiscard]] std::string_view line(uint32_t number) const;

 private:
  std::string name_;
  std::string text_;
};

struct SourceLocation {
  std::shared_ptr<const SourceText> source =
      {};               // null: no place in a text (command line, defaults)
  uint32_t line = 0;    // from 1; 0: the file as a whole
  uint32_t column = 0;  // from 1, in bytes
  uint32_t length = 0;  // bytes to underline; 0: nothing is underlined

  // "fluent-bit.conf:12:5"; "fluent-bit.conf" without a line; "" without a source. The printed
  // column counts characters, not bytes.
  [[nodiscard]] std::string to_string() const;
};

}  // namespace noroshi
