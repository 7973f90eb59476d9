#include "parser/field_writer.h"

#include <charconv>
#include <cstdint>
#include <limits>

#include "parser/unescape.h"
#include "record/map_pairs.h"

namespace noroshi {
namespace {

std::string_view without_leading_space(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n\v\f\r");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

bool begins_with(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  for (size_t i = 0; i < lower_case.size(); ++i) {
    if ((text[i] | 0x20) != lower_case[i]) return false;
  }
  return true;
}

int64_t leading_integer(std::string_view text) {
  text = without_leading_space(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    return text.starts_with('-') ? std::numeric_limits<int64_t>::min()
                                 : std::numeric_limits<int64_t>::max();
  }
  return value;
}

uint64_t leading_hex(std::string_view text) {
  text = without_leading_space(text);
  if (begins_with(text, "0x")) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc::result_out_of_range ? std::numeric_limits<uint64_t>::max() : value;
}

double leading_number(std::string_view text) {
  text = without_leading_space(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc::result_out_of_range) return value;
  // from_chars leaves the value alone: it may be too large or too small.
  const std::string copy(text);
  return std::strtod(copy.c_str(), nullptr);
}

}  // namespace

void write_typed(MsgpackWriter& writer, FieldType type, std::string_view text) {
  switch (type) {
    case FieldType::Integer:
      return writer.integer(leading_integer(text));
    case FieldType::Hex:
      return writer.unsigned_integer(leading_hex(text));
    case FieldType::Float:
      return writer.number(leading_number(text));
    case FieldType::Bool:
      if (begins_with(text, "true")) return writer.boolean(true);
      if (begins_with(text, "false")) return writer.boolean(false);
      return writer.string(text);
    case FieldType::String:
      return writer.string(text);
  }
}

const FieldTypeRule* FieldWriter::rule_of(std::string_view key) const {
  for (const FieldTypeRule& rule : options_.types) {
    if (rule.key == key) return &rule;
  }
  return nullptr;
}

bool FieldWriter::taken_as_time(std::string_view key, std::string_view value) {
  if (!time_field_.wanted() || value.empty() || key != options_.time_key) return false;
  const auto time = time_field_.read(options_, value);
  if (!time) return false;
  time_ = time;
  return !options_.time_keep;
}

void FieldWriter::text(std::string_view key, std::string_view value) {
  if (taken_as_time(key, value)) return;
  writer_.string(key);
  const FieldTypeRule* rule = rule_of(key);
  write_typed(writer_, rule != nullptr ? rule->type : FieldType::String, value);
  ++pairs_;
}

void FieldWriter::truth(std::string_view key) {
  writer_.string(key);
  writer_.boolean(true);
  ++pairs_;
}

void FieldWriter::unescaped_text(std::string_view key, std::string_view escaped) {
  if (rule_of(key) != nullptr) return text(key, escaped);
  if (taken_as_time(key, escaped)) return;
  writer_.string(key);
  // The length is known afterwards; unescaping never makes a text longer, so the longest head is
  // right for sure, and shortened in place.
  const size_t begin = out_.size();
  out_.append(5, '\0');
  append_unescaped_utf8(out_, escaped);
  const auto size = static_cast<uint32_t>(out_.size() - begin - 5);
  std::string head;
  MsgpackWriter(head).string_header(size);
  out_.replace(begin, 5, head);
  ++pairs_;
}

}  // namespace noroshi
