#include "filter/words.h"

#include <fmt/format.h>

#include "config/place_in.h"

namespace noroshi {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

std::optional<std::vector<Word>> split_words(const LocatedText& option, std::string_view quotes,
                                             size_t words_max, Diagnostics& diagnostics) {
  const std::string_view text = option.text;
  std::vector<Word> words;
  size_t at = 0;
  while (true) {
    while (at < text.size() && is_blank(text[at])) ++at;
    if (at == text.size()) return words;
    Word word{.index = at};
    const bool last = words.size() + 1 == words_max;
    if (quotes.find(text[at]) != std::string_view::npos) {
      const char quote = text[at];
      size_t end = at + 1;
      while (end < text.size() && text[end] != quote) {
        if (text[end] == '\\' && end + 1 < text.size() &&
            (text[end + 1] == quote || text[end + 1] == '\\')) {
          ++end;
        }
        word.text += text[end++];
      }
      if (end == text.size()) {
        diagnostics.error(place_in(option, at, text.size() - at),
                          fmt::format("the quote {} is not closed", quote));
        return std::nullopt;
      }
      word.index = at + 1;
      word.length = end - word.index;
      at = end + 1;
      const bool followed = text.find_first_not_of(" \t", at) != std::string_view::npos;
      if (!last || !followed) {
        words.push_back(std::move(word));
        continue;
      }
      // The last word has more behind its closing quote: all of it as written.
      at = word.index - 1;
      word = {.index = at};
    }
    size_t end = at;
    while (end < text.size() && (last || !is_blank(text[end]))) ++end;
    while (end > at && is_blank(text[end - 1])) --end;
    word.text = text.substr(at, end - at);
    word.length = end - at;
    words.push_back(std::move(word));
    if (last) return words;
    at = end;
  }
}

std::optional<Regex> compile_word(const LocatedText& option, const Word& word,
                                  Diagnostics& diagnostics) {
  size_t error_at = 0;
  auto regex = Regex::compile(word.text, {}, &error_at);
  if (regex) return std::move(*regex);
  diagnostics.error(place_in(option, word.index + error_at), regex.error().message);
  return std::nullopt;
}

std::optional<RecordAccessor> accessor_of_word(const LocatedText& option, const Word& word,
                                               Diagnostics& diagnostics) {
  auto accessor = RecordAccessor::parse(word.text);
  if (accessor) return std::move(*accessor);
  diagnostics.error(place_in(option, word.index, word.length), accessor.error().message);
  return std::nullopt;
}

}  // namespace noroshi
