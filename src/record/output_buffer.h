// OutputBuffer: the end of a std::string as a raw buffer, for the two JSON codecs. The string is
// kept larger than its content while writing, so that bytes are stored without a call each; close()
// cuts it to size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace noroshi {

class OutputBuffer {
 public:
  OutputBuffer(std::string& out, size_t estimate) : out_(out), begin_(out.size()) {
    resize(begin_ + estimate + kSlack);
    point_at(begin_);
  }
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;

  // Bytes that may be stored beyond what was reserved: every reserve() leaves this much room.
  static constexpr size_t kSlack = 64;

  // Makes room for `bytes` and kSlack more at at().
  [[gnu::always_inline]] void reserve(size_t bytes) {
    if (limit_ - at_ < static_cast<ptrdiff_t>(bytes)) [[unlikely]]
      grow(bytes);
  }
  [[nodiscard]] char* at() const { return at_; }
  [[nodiscard]] char* begin() const { return out_.data() + begin_; }
  void advance_to(char* at) { at_ = at; }

  void byte(char c) {  // room must be there
    *at_++ = c;
  }
  void text(std::string_view text) {
    reserve(text.size());
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  // Position of at() since the start, and removal of a range of what was written.
  [[nodiscard]] size_t position() const { return static_cast<size_t>(at_ - out_.data()) - begin_; }
  void erase(size_t from, size_t to) {
    char* start = out_.data() + begin_;
    std::memmove(start + from, start + to, position() - to);
    at_ -= to - from;
  }

  void close() { out_.resize(static_cast<size_t>(at_ - out_.data())); }
  void discard() { out_.resize(begin_); }

 private:
  [[gnu::noinline]] void grow(size_t bytes) {
    const auto used = static_cast<size_t>(at_ - out_.data());
    // Half as much again of what this writer wrote, not of the whole string, which may hold a
    // megabyte from before. Memory is allocated geometrically by the string itself.
    resize(std::max(used + bytes, used + (used - begin_) / 2) + kSlack);
    point_at(used);
  }
  // Does not clear what it adds, as out_.resize() would: every byte that stays is written.
  void resize(size_t size) {
    out_.resize_and_overwrite(size, [](char*, size_t whole) { return whole; });
  }
  void point_at(size_t position) {
    at_ = out_.data() + position;
    limit_ = out_.data() + out_.size() - kSlack;
  }

  std::string& out_;
  size_t begin_;
  char* at_ = nullptr;
  char* limit_ = nullptr;  // kSlack before the string's end
};

}  // namespace noroshi
