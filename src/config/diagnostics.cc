#include "config/diagnostics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "base/secrets.h"
#include "config/secret_options.h"

namespace noroshi {
namespace {

// A longer line is shown as a window around the underlined text.
constexpr size_t kShownColumnsMax = 160;
constexpr size_t kBeforeColumnsMax = 60;

struct Colors {
  std::string_view error = "\033[1;31m", warning = "\033[1;35m", help = "\033[1;36m",
                   note = "\033[1;34m";
  std::string_view bold = "\033[1m", reset = "\033[0m";
};
constexpr Colors kPlain{"", "", "", "", "", ""};

struct Character {
  uint32_t code = 0;
  size_t bytes = 1;
  bool valid = false;
};

Character decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (size == 0 || first > 0xF4 || text.size() < size) return {};
  uint32_t code = first & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  return {code, size, true};
}

// East Asian wide characters take two columns in a terminal: Hangul, kana, CJK, full-width forms,
// emoji.
size_t columns_of(uint32_t code) {
  const bool wide = (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
                    (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                    (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60) ||
                    (code >= 0xFFE0 && code <= 0xFFE6) || (code >= 0x1F300 && code <= 0x1F9FF) ||
                    (code >= 0x20000 && code <= 0x3FFFD);
  return wide ? 2 : 1;
}

// Text that cannot change the terminal's state: tabs become one blank, control characters and bytes
// that are not UTF-8 become '?'. `columns` gets the width of what was appended.
std::string printable(std::string_view text, size_t& columns) {
  std::string result;
  columns = 0;
  while (!text.empty()) {
    const Character character = decode(text);
    if (character.valid && character.code == '\t') {
      result += ' ';
      ++columns;
    } else if (!character.valid || character.code < 0x20 ||
               (character.code >= 0x7F && character.code < 0xA0)) {
      result += '?';
      ++columns;
    } else {
      result += text.substr(0, character.bytes);
      columns += columns_of(character.code);
    }
    text.remove_prefix(character.bytes);
  }
  return result;
}

std::string printable(std::string_view text) {
  size_t columns = 0;
  return printable(text, columns);
}

// Messages may quote values: no value may print control characters, but a message may have several
// lines.
std::string printable_message(std::string_view text) {
  std::string result;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (begin != 0) result += '\n';
    result += printable(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

bool continuation(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

void append_quote(std::string& out, const SourceLocation& where, std::string_view color,
                  const Colors& colors) {
  if (where.source == nullptr || where.line == 0) return;
  std::string_view line = where.source->line(where.line);
  size_t begin = std::min<size_t>(where.column > 0 ? where.column - 1 : 0, line.size());
  size_t end = std::min<size_t>(begin + where.length, line.size());
  std::string masked;
  if (const std::optional<size_t> secret = secret_in_line(line)) {
    masked = std::string(line.substr(0, *secret)) + std::string(kSecretMask);
    line = masked;
    begin = std::min(begin, *secret);
    if (end > *secret) end = line.size();
  }

  size_t window_begin = 0;
  if (line.size() > kShownColumnsMax && begin > kBeforeColumnsMax)
    window_begin = begin - kBeforeColumnsMax;
  while (continuation(line, window_begin)) ++window_begin;
  size_t window_end = std::min(line.size(), window_begin + kShownColumnsMax);
  while (window_end > window_begin && continuation(line, window_end)) --window_end;
  begin = std::clamp(begin, window_begin, window_end);
  end = std::clamp(end, begin, window_end);

  size_t before_columns = 0, marked_columns = 0;
  const std::string ellipsis_before = window_begin > 0 ? "…" : "";
  const std::string before =
      printable(line.substr(window_begin, begin - window_begin), before_columns);
  const std::string marked = printable(line.substr(begin, end - begin), marked_columns);
  const std::string after = printable(line.substr(end, window_end - end));
  fmt::format_to(std::back_inserter(out), "{:>5} | {}{}{}{}{}{}{}\n", where.line, ellipsis_before,
                 before, color, marked, colors.reset, after, window_end < line.size() ? "…" : "");
  if (where.length == 0) return;
  fmt::format_to(std::back_inserter(out), "      | {}{}^{}{}\n",
                 std::string(before_columns + (window_begin > 0 ? 1 : 0), ' '), color,
                 std::string(marked_columns > 0 ? marked_columns - 1 : 0, '~'), colors.reset);
}

void append(std::string& result, const Diagnostic& diagnostic, const Colors& colors) {
  std::string out;
  const bool is_error = diagnostic.level == Diagnostic::Level::Error;
  const std::string_view color = is_error ? colors.error : colors.warning;
  const std::string place = printable(diagnostic.where.to_string());
  fmt::format_to(std::back_inserter(out), "{}{}{}{}{}:{} {}{}{}\n", colors.bold, place,
                 place.empty() ? "" : ": ", color, is_error ? "error" : "warning", colors.reset,
                 colors.bold, printable_message(diagnostic.message), colors.reset);
  append_quote(out, diagnostic.where, color, colors);
  for (const Diagnostic::Note& note : diagnostic.notes) {
    const std::string note_place = printable(note.where.to_string());
    fmt::format_to(std::back_inserter(out), "{}{}{}note:{} {}\n", note_place,
                   note_place.empty() ? "" : ": ", colors.note, colors.reset,
                   printable_message(note.text));
    append_quote(out, note.where, colors.note, colors);
  }
  for (const std::string& help : diagnostic.helps) {
    fmt::format_to(std::back_inserter(out), "{}help:{} {}\n", colors.help, colors.reset,
                   printable_message(help));
  }
  result += without_secrets(std::move(out));
}

std::string count_of(size_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

}  // namespace

Diagnostic& Diagnostics::error(SourceLocation where, std::string message) {
  return add(Diagnostic::Level::Error, std::move(where), std::move(message), error_count_);
}

Diagnostic& Diagnostics::warning(SourceLocation where, std::string message) {
  return add(Diagnostic::Level::Warning, std::move(where), std::move(message), warning_count_);
}

Diagnostic& Diagnostics::add(Diagnostic::Level level, SourceLocation where, std::string message,
                             size_t& count) {
  Diagnostic diagnostic{level, std::move(where), std::move(message), {}, {}};
  const auto same = [&](const Diagnostic& other) {
    return other.level == level && other.message == diagnostic.message &&
           other.where.source == diagnostic.where.source &&
           other.where.line == diagnostic.where.line &&
           other.where.column == diagnostic.where.column;
  };
  if (std::ranges::any_of(kept_, same)) return beyond_limit_ = std::move(diagnostic);
  if (++count > kKeptMax) return beyond_limit_ = std::move(diagnostic);
  return kept_.emplace_back(std::move(diagnostic));
}

std::string Diagnostics::render(bool color) const {
  // Stages report one after the other; a reader goes through the files from top to bottom.
  std::vector<const SourceText*> sources = {nullptr};
  std::vector<std::pair<size_t, const Diagnostic*>> ordered;
  for (const Diagnostic& diagnostic : kept_) {
    const SourceText* source = diagnostic.where.source.get();
    auto found = std::ranges::find(sources, source);
    if (found == sources.end()) found = sources.insert(found, source);
    ordered.emplace_back(found - sources.begin(), &diagnostic);
  }
  // The pointer breaks ties: kept_ is in the order of the reports.
  std::ranges::sort(ordered, {}, [](const auto& entry) {
    return std::tuple(entry.first, entry.second->where.line, entry.second->where.column,
                      entry.second);
  });
  std::string out;
  for (const auto& [source, diagnostic] : ordered) {
    append(out, *diagnostic, color ? Colors{} : kPlain);
    out += '\n';
  }
  if (kept_.empty()) return out;
  std::string counts = error_count_ > 0 ? count_of(error_count_, "error") : "";
  if (warning_count_ > 0)
    counts += (counts.empty() ? "" : ", ") + count_of(warning_count_, "warning");
  out += counts;
  if (error_count_ > kKeptMax || warning_count_ > kKeptMax) {
    out += fmt::format(" (the first {} of each are shown)", kKeptMax);
  }
  out += '\n';
  return out;
}

void Diagnostics::print(std::FILE* stream) const {
  const char* no_color = std::getenv("NO_COLOR");
  const bool color = isatty(fileno(stream)) == 1 && (no_color == nullptr || *no_color == '\0');
  const std::string text = render(color);
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

std::string render(const Diagnostic& diagnostic, bool color) {
  std::string out;
  append(out, diagnostic, color ? Colors{} : kPlain);
  return out;
}

}  // namespace noroshi
