#include "output/cloudwatch_logs/log_message.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "record/json_writer.h"
#include "record/msgpack_reader.h"
#include "record/record_accessor.h"
#include "record/utf8.h"

namespace noroshi {
namespace {

constexpr std::string_view kEmfKey = "\"_aws\"";
// Memory of the encoder that survives a huge record.
constexpr size_t kKeptBytesMax = 1 << 20;
// Only records above this are looked at for control characters before they are encoded.
constexpr size_t kLargeRecordBytes = 1 << 20;

bool contains(std::string_view text, std::string_view part) {
  return ::memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Of a string or binary value: its bytes.
std::optional<std::string_view> text_of(std::string_view value) {
  MsgpackReader reader(value);
  const auto token = reader.next();
  if (!token || (token->type != MsgpackType::String && token->type != MsgpackType::Binary)) {
    return std::nullopt;
  }
  return token->bytes;
}

}  // namespace

struct LogMessageEncoder::JsonParser {
  simdjson::dom::parser dom;
};

LogMessageEncoder::LogMessageEncoder(std::string log_key)
    : log_key_(std::move(log_key)), parser_(std::make_unique<JsonParser>()) {}
LogMessageEncoder::~LogMessageEncoder() = default;

void append_repaired_utf8(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Utf8Sequence sequence = read_utf8(text.data(), text.size());
    out.append(sequence.valid ? text.substr(0, sequence.bytes) : "\xEF\xBF\xBD");
    text.remove_prefix(sequence.bytes);
  }
}

bool LogMessageEncoder::is_emf(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}' || !contains(text, kEmfKey))
    return false;
  simdjson::dom::object object;
  simdjson::dom::object metadata;
  const bool found =
      parser_->dom.parse(text.data(), text.size()).get(object) == simdjson::SUCCESS &&
      object["_aws"].get(metadata) == simdjson::SUCCESS;
  if (parser_->dom.capacity() > kKeptBytesMax) parser_->dom = simdjson::dom::parser();
  return found;
}

std::string_view LogMessageEncoder::valid_text(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return text;
  append_repaired_utf8(text_, text);
  return text_;
}

Result<LogMessage> LogMessageEncoder::encode_whole(std::string_view record) {
  // Docker's `log` may be an EMF line although no log_key is configured. One memmem finds that out
  // for nearly every record that is none.
  if (contains(record, kEmfKey)) {
    if (const auto value = find_key(record, "log")) {
      if (const auto line = text_of(*value)) {
        const std::string_view emf = without_blanks(*line);
        if (is_emf(emf)) return LogMessage{.text = emf};
      }
    }
  }
  if (record.size() > kLargeRecordBytes) {
    const auto controls =
        std::ranges::count_if(record, [](unsigned char byte) { return byte < 0x20; });
    if (record.size() + 5 * static_cast<size_t>(controls) > kMessageBytesMax) {
      return fail(ErrorCode::Exhausted, "the record as JSON is larger than 12 MiB");
    }
  }
  // write_json() takes any value; a record is a map.
  MsgpackReader reader(record);
  if (const auto type = reader.peek(); !type || *type != MsgpackType::Map) {
    return fail(ErrorCode::Corrupt, "the record is no MessagePack map");
  }
  if (const auto written = write_json(text_, record); !written) {
    return std::unexpected(to_error(written.error(), "record"));
  }
  return LogMessage{.text = text_};
}

Result<LogMessage> LogMessageEncoder::encode(std::string_view record) {
  if (text_.capacity() > kKeptBytesMax) {
    text_ = std::string();
  } else {
    text_.clear();
  }

  LogMessage message;
  const auto value = log_key_.empty() ? std::nullopt : find_key(record, log_key_);
  if (!value) {
    NOROSHI_ASSIGN(message, encode_whole(record));
    message.log_key_missing = !log_key_.empty();
  } else if (const auto text = text_of(*value)) {
    message.text = valid_text(*text);
    // CloudWatch extracts metrics only if nothing stands around the object.
    if (contains(message.text, kEmfKey)) {
      if (const std::string_view emf = without_blanks(message.text); is_emf(emf))
        message.text = emf;
    }
  } else {
    if (const auto written = write_json(text_, *value); !written) {
      return std::unexpected(to_error(written.error(), log_key_));
    }
    message.text = text_;
  }
  if (message.text.empty()) message.text = " ";
  if (message.text.size() > kMessageBytesMax) {
    return fail(ErrorCode::Exhausted, "the message is larger than 12 MiB");
  }
  return message;
}

}  // namespace noroshi
