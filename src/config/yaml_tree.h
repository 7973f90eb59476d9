// YamlTree: one YAML text as a tree whose every key and value knows its place. Only here is libyaml
// used (the library Fluent Bit reads YAML with, so that both see the same text: see
// docs/decisions/0013).
//
// Scalars stay text, as in Fluent Bit: `true`, `null` and `0x10` are what stands there. Refused
// with a clear message: aliases (`*name`), merge keys through them, a second document, keys that
// are no text, UTF-16, and whatever exceeds a limit. Tags and anchors mean nothing. Never throws.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"

namespace noroshi {

inline constexpr size_t kYamlDepthMax = 32;       // maps and lists inside each other
inline constexpr size_t kYamlNodesMax = 250'000;  // keys and values of one file: about 60 MB

struct YamlPair;

struct YamlNode {
  enum class Kind { Scalar, Sequence, Mapping };

  Kind kind = Kind::Scalar;
  // Of a scalar: its text without quotes where that stands there in one piece, else with them. Of
  // a map: its first key. Of a list: its first item.
  SourceLocation where = {};
  std::string text = {};             // of a scalar
  bool empty_plain = false;          // a scalar of which nothing is written: "key:"
  std::vector<YamlNode> items = {};  // of a sequence
  std::vector<YamlPair> pairs;       // of a mapping, in the order written; keys may repeat

  [[nodiscard]] bool is_scalar() const { return kind == Kind::Scalar; }
  [[nodiscard]] bool is_sequence() const { return kind == Kind::Sequence; }
  [[nodiscard]] bool is_mapping() const { return kind == Kind::Mapping; }
};

struct YamlPair {
  YamlNode key;  // a scalar
  YamlNode value;
};

// nullopt after a syntax error was reported, or for a text without a document.
[[nodiscard]] std::optional<YamlNode> parse_yaml_tree(
    const std::shared_ptr<const SourceText>& source, Diagnostics& diagnostics);

}  // namespace noroshi
