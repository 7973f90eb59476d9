// Diagnostics: collects every problem of a configuration, so that one run shows all of them, each
// with its place, as a good compiler does:
//
//   fluent-bit.conf:31:5: error: output s3 has no option "total_file_sise"
//      31 |     total_file_sise  100M
//         |     ^~~~~~~~~~~~~~~
//   help: did you mean "total_file_size"?
//
//   diagnostics.error(property.key_where, "…").help("did you mean …?").note("first set here",
//   other.where);
//
// Not thread-safe. Never throws, never exits: who called decides what errors mean.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "config/source.h"

namespace noroshi {

struct Diagnostic {
  enum class Level { Error, Warning };
  struct Note {
    std::string text;
    SourceLocation where = {};  // quoted below the note if it names a line
  };

  Level level = Level::Error;
  SourceLocation where = {};
  std::string message = {};
  std::vector<std::string> helps = {};
  std::vector<Note> notes = {};

  // What the user can do, one line.
  Diagnostic& help(std::string text) { return helps.push_back(std::move(text)), *this; }
  // What explains it, perhaps at another place.
  Diagnostic& note(std::string text, SourceLocation at = {}) {
    return notes.push_back({std::move(text), std::move(at)}), *this;
  }
};

class Diagnostics {
 public:
  // Beyond this many of a level the rest is only counted.
  static constexpr size_t kKeptMax = 100;

  // The reference is valid until the next error() or warning(). The same words about the same place
  // are kept and counted once.
  Diagnostic& error(SourceLocation where, std::string message);
  Diagnostic& warning(SourceLocation where, std::string message);

  [[nodiscard]] bool has_errors() const { return error_count_ != 0; }
  // All that were reported, also those beyond kKeptMax.
  [[nodiscard]] size_t error_count() const { return error_count_; }
  [[nodiscard]] size_t warning_count() const { return warning_count_; }
  // In the order they were reported.
  [[nodiscard]] const std::vector<Diagnostic>& all() const { return kept_; }

  // Everything as text, file by file from top to bottom, and a closing line with the counts; "" if
  // there is nothing.
  [[nodiscard]] std::string render(bool color = false) const;
  // render() to `stream`, in colour if it is a terminal and NO_COLOR is unset.
  void print(std::FILE* stream) const;

 private:
  Diagnostic& add(Diagnostic::Level level, SourceLocation where, std::string message,
                  size_t& count);

  std::vector<Diagnostic> kept_;
  Diagnostic beyond_limit_;
  size_t error_count_ = 0;
  size_t warning_count_ = 0;
};

[[nodiscard]] std::string render(const Diagnostic& diagnostic, bool color = false);

}  // namespace noroshi
