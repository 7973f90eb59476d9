#include "input/text_options.h"

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "config/nearest_name.h"
#include "config/values.h"
#include "input/json_messages.h"
#include "input/line_messages.h"
#include "parser/parser_registry.h"
#include "parser/unescape.h"

namespace noroshi {
namespace {

std::optional<size_t> read_size(const LocatedText& given, std::string_view plugin,
                                Diagnostics& diagnostics) {
  const std::string_view text = trim(given.text);
  const bool bare = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  const Result<ByteSize> size = parse_byte_size(bare ? std::string(text) + "KiB" : given.text);
  if (!size) {
    diagnostics.error(given.where,
                      fmt::format("{}: {}: {}", plugin, given.name, size.error().message));
    return std::nullopt;
  }
  if (size->bytes < kMessageBytesSmallest || size->bytes > kMessageBytesLargest) {
    diagnostics
        .error(given.where,
               fmt::format("{}: {} is {}, it must lie between {} and {}", plugin, given.name,
                           to_string(*size), to_string(ByteSize{kMessageBytesSmallest}),
                           to_string(ByteSize{kMessageBytesLargest})))
        .help("a number without a unit counts KiB, as in Fluent Bit");
    return std::nullopt;
  }
  return size->bytes;
}

}  // namespace

OptionTable<TextSocketOptions> text_socket_table(const std::string& protocol, std::string summary) {
  using S = TextSocketOptions;
  OptionTable<S> t(protocol, std::move(summary));
  t.option("listen", &S::listen, "0.0.0.0", "Address to listen on.")
      .last_wins()
      .option("port", &S::port, "5170", "Port. 0: any free one.")
      .between("0", "65535")
      .last_wins()
      .option("tag", &S::tag,
              fmt::format("Tag of the records. Default: the instance's name, \"{}.0\".", protocol))
      .last_wins()
      .option("format", &S::format,
              "`json`: documents one after the other, with or without anything between them. "
              "`none`: text between separators, {\"log\": text}. Default: json; with a parser "
              "none.")
      .last_wins()
      .option("separator", &S::separator,
              "Ends each text of format none; \\n, \\t, \\x00 … are understood. Default: \\n.")
      .last_wins()
      .option("parser", &S::parser,
              "Parser for each text of format none; text it does not take is {\"log\": text}.")
      .last_wins()
      .option("source_address_key", &S::source_address_key,
              fmt::format("Key for the client's address, \"{}://127.0.0.1:40000\".", protocol))
      .last_wins();
  t.ignored("workers", "accepted; one thread reads everything");
  return t;
}

std::unique_ptr<Parser> find_parser(const LocatedText& name, std::string_view plugin,
                                    const ParserRegistry& parsers, Diagnostics& diagnostics) {
  if (name.text.empty()) return nullptr;
  auto parser = parsers.make(name.text);
  if (parser) return *std::move(parser);
  Diagnostic& error =
      diagnostics.error(name.where, fmt::format("{}: {}", plugin, parser.error().message));
  const std::string nearest = nearest_name(name.text, parsers.names());
  if (!nearest.empty()) error.help(fmt::format("did you mean \"{}\"?", nearest));
  return nullptr;
}

MessageFormat read_message_format(const TextSocketOptions& given, std::string_view plugin,
                                  InputContext& context, Diagnostics& diagnostics) {
  MessageFormat format;
  const std::string word = to_lower(given.format.text);
  if (word != "json" && word != "none" && !word.empty()) {
    diagnostics.error(given.format.where,
                      fmt::format("{}: format \"{}\" is not known: json or none", plugin, word));
  }
  format.json = word != "none";
  format.parser = find_parser(given.parser, plugin, context.parsers, diagnostics);
  if (!given.parser.text.empty() && format.json) {
    if (word == "json") {
      diagnostics
          .warning(given.parser.where,
                   fmt::format("{}: a parser takes lines: format json is read as none", plugin))
          .help("write format none, or leave the parser out");
    }
    format.json = false;
  }
  if (!given.separator.text.empty()) {
    format.separator.clear();
    append_unescaped_utf8(format.separator, given.separator.text);
    if (format.json) {
      diagnostics.warning(given.separator.where,
                          fmt::format("{}: separator has no effect with format json", plugin));
    }
  }
  if (!given.chunk_size.text.empty()) (void)read_size(given.chunk_size, plugin, diagnostics);
  if (!given.buffer_size.text.empty()) {
    format.message_bytes_max =
        read_size(given.buffer_size, plugin, diagnostics).value_or(format.message_bytes_max);
  }
  format.source_address_key = given.source_address_key;
  return format;
}

std::unique_ptr<MessageReader> make_message_reader(MessageFormat& format, const Clock& clock) {
  if (format.json) return std::make_unique<JsonReader>(format.source_address_key, clock);
  return std::make_unique<TextReader>(std::move(format.parser), format.source_address_key, clock);
}

std::function<std::unique_ptr<Framer>()> framer_maker(const MessageFormat& format) {
  return [json = format.json, separator = format.separator,
          bytes_max = format.message_bytes_max]() -> std::unique_ptr<Framer> {
    if (json) return std::make_unique<JsonFramer>(bytes_max);
    return std::make_unique<SeparatorFramer>(separator, bytes_max);
  };
}

}  // namespace noroshi
