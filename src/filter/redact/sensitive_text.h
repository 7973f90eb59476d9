// Finding what must not be logged in a text: mail addresses, card numbers, credentials. Nothing is
// allocated but the found ranges; cost: a few vector searches of the text when nothing is there.
//
//   mail   local@domain.tld; at most 64 characters before the @, an alphabetic last label
//   card   13 to 19 digits of a known issuer (Visa, Mastercard, Amex, Diners, Discover, JCB,
//          UnionPay, Maestro's 6…) whose Luhn sum is right, plain or in groups with ' ' or '-'
//          between; not a part of a longer number or word
//   token  what follows "Bearer "; JSON Web Tokens; AWS access key ids (AKIA…, ASIA…); the 40
//          characters after aws_secret_access_key; the password in scheme://user:password@host
//
// sensitive_reference.h says the same in regular expressions; tests and the fuzzer compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace noroshi {

struct SensitiveRange {
  size_t begin = 0, end = 0;
  uint32_t pattern = 0;  // index into the user's list of patterns
  friend bool operator==(const SensitiveRange&, const SensitiveRange&) = default;
};

// Each appends what it finds; some may overlap (merge_ranges()).
void find_mail(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found);
void find_cards(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found);
void find_tokens(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found);

// 13 to 19 digits and nothing else.
[[nodiscard]] bool is_card_number(std::string_view digits);

// Sorts the ranges; of two that overlap the one that begins first (then: the longer) stays, grown
// to cover both.
void merge_ranges(std::vector<SensitiveRange>& found);

}  // namespace noroshi
