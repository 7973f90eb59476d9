// A slow, obvious JSON reader to compare json_parser.cc with. Tests and fuzzers only.
#pragma once

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/utf8.h"

namespace noroshi {

class JsonReference {
 public:
  // Appends `json` as MessagePack; false if it is not one JSON value.
  static bool append(std::string_view json, std::string& out) {
    for (size_t i = 0; i < json.size();) {
      const Utf8Sequence sequence = read_utf8(json.data() + i, json.size() - i);
      if (!sequence.valid) return false;
      i += sequence.bytes;
    }
    JsonReference reader(json, out);
    return reader.value(0) && (reader.space(), reader.at_ == json.size());
  }

 private:
  JsonReference(std::string_view json, std::string& out) : json_(json), out_(out), writer_(out) {}

  [[nodiscard]] char peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  void space() {
    while (at_ < json_.size() &&
           std::string_view(" \t\r\n").find(json_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }
  bool take(std::string_view text) {
    if (json_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  bool value(uint32_t depth) {
    space();
    switch (peek()) {
      case '{':
        return container(depth, '}', true);
      case '[':
        return container(depth, ']', false);
      case '"':
        return string();
      case 't':
        return writer_.boolean(true), take("true");
      case 'f':
        return writer_.boolean(false), take("false");
      case 'n':
        return writer_.nil(), take("null");
      default:
        return number();
    }
  }

  bool container(uint32_t depth, char close, bool is_map) {
    if (depth == kMsgpackDepthMax) return false;
    ++at_;
    std::string content;
    uint32_t count = 0;
    JsonReference inner(json_, content);
    inner.at_ = at_;
    inner.space();
    while (inner.peek() != close || count > 0) {
      if (count > 0 && !inner.take(",")) return false;
      if (is_map) {
        inner.space();
        if (inner.peek() != '"' || !inner.string()) return false;
        inner.space();
        if (!inner.take(":")) return false;
      }
      if (!inner.value(depth + 1)) return false;
      inner.space();
      ++count;
      if (inner.peek() == close) break;
    }
    at_ = inner.at_ + 1;
    is_map ? writer_.map_header(count) : writer_.array_header(count);
    out_ += content;
    return true;
  }

  static int hex(char c) {
    const auto at = std::string_view("0123456789abcdef")
                        .find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
  }
  bool unit(uint32_t& value) {
    value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ >= json_.size() || hex(json_[at_]) < 0) return false;
      value = value * 16 + static_cast<uint32_t>(hex(json_[at_]));
    }
    return true;
  }
  static void utf8(std::string& text, uint32_t code) {
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += static_cast<char>(0xc0 + code / 64);
      text += static_cast<char>(0x80 + code % 64);
    } else if (code < 0x10000) {
      text += static_cast<char>(0xe0 + code / 4096);
      text += static_cast<char>(0x80 + code / 64 % 64);
      text += static_cast<char>(0x80 + code % 64);
    } else {
      text += static_cast<char>(0xf0 + code / 262144);
      text += static_cast<char>(0x80 + code / 4096 % 64);
      text += static_cast<char>(0x80 + code / 64 % 64);
      text += static_cast<char>(0x80 + code % 64);
    }
  }

  bool string() {
    ++at_;
    std::string text;
    while (true) {
      if (at_ >= json_.size()) return false;
      const char c = json_[at_++];
      if (c == '"') break;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        text += c;
        continue;
      }
      if (at_ >= json_.size()) return false;
      const char escaped = json_[at_++];
      const size_t simple = std::string_view("\"\\/bfnrt").find(escaped);
      if (simple != std::string_view::npos) {
        text += "\"\\/\b\f\n\r\t"[simple];
        continue;
      }
      uint32_t code = 0;
      if (escaped != 'u' || !unit(code)) return false;
      if (code >= 0xd800 && code < 0xdc00 && json_.substr(at_, 2) == "\\u") {
        const size_t back = at_;
        at_ += 2;
        uint32_t low = 0;
        if (!unit(low)) return false;
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
        } else {
          at_ = back;
        }
      }
      utf8(text, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    }
    writer_.string(text);
    return true;
  }

  bool digits() {
    const size_t from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > from;
  }
  bool number() {
    const size_t from = at_;
    const bool negative = take("-");
    const size_t first = at_;
    if (!digits() || (json_[first] == '0' && at_ > first + 1)) return false;
    bool whole = true;
    if (take(".")) {
      whole = false;
      if (!digits()) return false;
    }
    if (take("e") || take("E")) {
      whole = false;
      if (!take("+")) static_cast<void>(take("-"));
      if (!digits()) return false;
    }
    const std::string text(json_.substr(from, at_ - from));
    if (whole) {
      errno = 0;
      if (negative) {
        const long long value = std::strtoll(text.c_str(), nullptr, 10);
        if (errno == 0) return writer_.integer(value), true;
      } else {
        const unsigned long long value = std::strtoull(text.c_str(), nullptr, 10);
        if (errno == 0) return writer_.unsigned_integer(value), true;
      }
    }
    const double value = std::strtod(text.c_str(), nullptr);
    if (!std::isfinite(value)) return false;
    writer_.number(value);
    return true;
  }

  std::string_view json_;
  std::string& out_;
  MsgpackWriter writer_;
  size_t at_ = 0;
};

}  // namespace noroshi
