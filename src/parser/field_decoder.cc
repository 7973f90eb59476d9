#include "parser/field_decoder.h"

#include <algorithm>

#include "parser/unescape.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

FieldDecoders::Made FieldDecoders::decode(FieldDecoder::Codec codec, std::string_view text,
                                          JsonToMsgpack& json, std::string& made) const {
  made.clear();
  switch (codec) {
    case FieldDecoder::Codec::Json:
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      return json.append_object(text, made) ? Made::Map : Made::Nothing;
    case FieldDecoder::Codec::Escaped:
      append_unescaped(made, text);
      return Made::Text;
    case FieldDecoder::Codec::EscapedUtf8:
      append_unescaped_utf8(made, text);
      return Made::Text;
    case FieldDecoder::Codec::MysqlQuoted:
      append_mysql_unquoted(made, text);
      return Made::Text;
  }
  return Made::Nothing;
}

// Runs the rules of one field in their order, as src/flb_parser_decoder.c of Fluent Bit does: the
// result of an in-place rule is what later rules decode; at most one Decode_Field result is taken.
void FieldDecoders::decode_value(std::string_view field, std::string_view key,
                                 std::string_view value, JsonToMsgpack& json) {
  MsgpackReader reader(value);
  data_.assign(reader.read_string().value_or(std::string_view()));
  Made in_place_made = Made::Nothing;
  bool added = false;
  for (const FieldDecoder& rule : rules_) {
    if (rule.field != field) continue;
    if (!rule.in_place && rule.next == FieldDecoder::Next::DoNext && added) continue;
    if (in_place_made == Made::Map) continue;
    const Made result = decode(rule.codec, data_, json, made_);
    if (result == Made::Nothing) {
      if (rule.next == FieldDecoder::Next::Stop) break;
      continue;
    }
    if (rule.in_place) {
      in_place_made = result;
      in_place_ = made_;
      data_ = made_;
    } else if (result == Made::Map && !added) {
      const MapPairs pairs(made_);
      added = true;
      added_pairs_ += pairs.count();
      added_.append(pairs.rest());
    }
    if (rule.next != FieldDecoder::Next::DoNext) break;
  }
  map_.append(key);
  ++pairs_;
  if (in_place_made == Made::Nothing)
    map_.append(value);
  else if (in_place_made == Made::Map)
    map_.append(in_place_);
  else
    MsgpackWriter(map_).string(in_place_);
}

uint32_t FieldDecoders::apply(std::string& out, size_t begin, JsonToMsgpack& json) {
  MapPairs pairs(std::string_view(out).substr(begin));
  map_.assign(1, '\x80');
  added_.clear();
  added_pairs_ = pairs_ = 0;
  bool decoded = false;
  for (MapPair pair; pairs.next(pair);) {
    const bool named = pair.name.data() != nullptr &&
                       std::any_of(rules_.begin(), rules_.end(), [&](const FieldDecoder& rule) {
                         return rule.field == pair.name;
                       });
    const auto type = MsgpackReader(pair.value).peek();
    if (named && type && *type == MsgpackType::String) {
      decoded = true;
      decode_value(pair.name, pair.key, pair.value, json);
    } else {
      map_.append(pair.bytes());
      ++pairs_;
    }
  }
  if (!decoded) return pairs.count();
  map_.append(added_);
  set_map_pairs(map_, 0, pairs_ + added_pairs_);
  out.replace(begin, std::string::npos, map_);
  return pairs_ + added_pairs_;
}

}  // namespace noroshi
