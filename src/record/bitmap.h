// Bitmap: one bit per record of a chunk. Bits beyond size() are always zero. Not thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"

namespace noroshi {

class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(uint32_t size, bool value = false) { reset(size, value); }

  // Changes the size and sets every bit to `value`; keeps the memory.
  void reset(uint32_t size, bool value = false) {
    size_ = size;
    words_.assign((size + 63) / 64, value ? ~uint64_t{0} : 0);
    clear_tail();
  }
  [[nodiscard]] uint32_t size() const { return size_; }
  [[nodiscard]] bool test(uint32_t index) const {
    DCHECK(index < size_, "bit index");
    return (words_[index / 64] >> (index % 64) & 1) != 0;
  }
  void set(uint32_t index, bool value = true) {
    DCHECK(index < size_, "bit index");
    const uint64_t bit = uint64_t{1} << (index % 64);
    words_[index / 64] = value ? words_[index / 64] | bit : words_[index / 64] & ~bit;
  }
  [[nodiscard]] uint32_t count() const {
    uint32_t sum = 0;
    for (const uint64_t word : words_) sum += static_cast<uint32_t>(std::popcount(word));
    return sum;
  }
  [[nodiscard]] bool none() const {
    for (const uint64_t word : words_) {
      if (word != 0) return false;
    }
    return true;
  }
  [[nodiscard]] bool all() const { return count() == size_; }
  // Both operands have the same size.
  Bitmap& operator&=(const Bitmap& other) {
    CHECK(size_ == other.size_, "bitmaps of different chunks");
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  Bitmap& operator|=(const Bitmap& other) {
    CHECK(size_ == other.size_, "bitmaps of different chunks");
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  // Calls visit(index) for every set bit, ascending.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<uint32_t>(i * 64 + static_cast<size_t>(std::countr_zero(word))));
      }
    }
  }
  // Clears every set bit whose keep(index) is false; asks in ascending order.
  template <typename Keep>
  void keep_if(Keep&& keep) {
    for (size_t i = 0; i < words_.size(); ++i) {
      uint64_t kept = 0;
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        const auto bit = static_cast<uint32_t>(std::countr_zero(word));
        if (keep(static_cast<uint32_t>(i * 64) + bit)) kept |= uint64_t{1} << bit;
      }
      words_[i] = kept;
    }
  }
  // Word i holds bits 64i … 64i+63, lowest first: what the journal stores.
  [[nodiscard]] std::span<const uint64_t> words() const { return words_; }
  // Takes words read back from storage; surplus bits are cleared. words.size() must be (size + 63)
  // / 64.
  void assign(uint32_t size, std::span<const uint64_t> words) {
    CHECK(words.size() == (size + 63) / 64, "bitmap words");
    size_ = size;
    words_.assign(words.begin(), words.end());
    clear_tail();
  }
  friend bool operator==(const Bitmap&, const Bitmap&) = default;

 private:
  void clear_tail() {
    if (size_ % 64 != 0) words_.back() &= ~uint64_t{0} >> (64 - size_ % 64);
  }

  std::vector<uint64_t> words_;
  uint32_t size_ = 0;
};

}  // namespace noroshi
