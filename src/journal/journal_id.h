// JournalId: 128 random bits, made once per journal directory. Names derived from it and an offset
// ($UUID of an S3 key) can never collide with those of another journal.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace noroshi {

struct JournalId {
  std::array<uint8_t, 16> bytes = {};
  friend bool operator==(const JournalId&, const JournalId&) = default;
};

// 32 lower-case hexadecimal digits.
[[nodiscard]] std::string to_string(const JournalId& id);
[[nodiscard]] JournalId make_journal_id();

}  // namespace noroshi
