// FieldDecoders: Decode_Field and Decode_Field_As of a parser, applied to a finished map. Part of
// Parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parser/parser.h"
#include "record/json_parser.h"

namespace noroshi {

class FieldDecoders {
 public:
  explicit FieldDecoders(std::vector<FieldDecoder> rules) : rules_(std::move(rules)) {}

  [[nodiscard]] bool empty() const { return rules_.empty(); }
  // Decodes the fields of the map at `out[begin]` …, which ends `out`; returns its number of pairs.
  uint32_t apply(std::string& out, size_t begin, JsonToMsgpack& json);

 private:
  enum class Made { Nothing, Text, Map };
  [[nodiscard]] Made decode(FieldDecoder::Codec codec, std::string_view text, JsonToMsgpack& json,
                            std::string& made) const;
  void decode_value(std::string_view field, std::string_view key, std::string_view value,
                    JsonToMsgpack& json);

  std::vector<FieldDecoder> rules_;
  // Kept for their memory.
  std::string map_, data_, made_, in_place_, added_;
  uint32_t added_pairs_ = 0, pairs_ = 0;
};

}  // namespace noroshi
