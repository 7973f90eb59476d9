#include "localaws/filter_pattern.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <optional>
#include <variant>
#include <vector>

namespace noroshi::localaws {
namespace {

struct Term {
  std::string text;
  bool excluded = false;
  bool optional = false;
};

enum class Comparison {
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  IsNull,
  IsTrue,
  IsFalse,
  Exists,
  NotExists
};

using PathStep = std::variant<std::string, size_t>;

// One node of a JSON pattern: a comparison, or && / || over two others.
struct Node {
  enum class Kind { Compare, And, Or } kind = Kind::Compare;
  std::unique_ptr<Node> left, right;
  std::vector<PathStep> path;
  Comparison comparison = Comparison::Equal;
  std::string text;
  std::optional<double> number;
};

bool wildcard_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// A term is found where no letter or digit continues it: "ERROR" is in "[ERROR]" and not in
// "ERRORS".
bool contains_term(std::string_view message, std::string_view term) {
  for (size_t at = message.find(term); at != std::string_view::npos;
       at = message.find(term, at + 1)) {
    const size_t end = at + term.size();
    const bool begins =
        at == 0 || !word_character(message[at - 1]) || !word_character(term.front());
    const bool ends =
        end == message.size() || !word_character(message[end]) || !word_character(term.back());
    if (begins && ends) return true;
  }
  return false;
}

std::unexpected<Error> invalid(std::string_view what) {
  return fail(ErrorCode::InvalidArgument, fmt::format("Invalid filter pattern: {}", what));
}

std::optional<double> to_number(std::string_view text) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size())
    return std::nullopt;
  return value;
}

class JsonPatternParser {
 public:
  explicit JsonPatternParser(std::string_view text) : rest_(text) {}

  Result<std::unique_ptr<Node>> parse() {
    NOROSHI_ASSIGN(std::unique_ptr<Node> node, either(0));
    skip_space();
    if (!rest_.empty()) return invalid("text after its end");
    return node;
  }

 private:
  void skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
  }
  bool eat(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  Result<std::unique_ptr<Node>> joined(Node::Kind kind, std::unique_ptr<Node> left,
                                       std::unique_ptr<Node> right) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->left = std::move(left);
    node->right = std::move(right);
    return node;
  }

  Result<std::unique_ptr<Node>> either(int depth) {
    NOROSHI_ASSIGN(std::unique_ptr<Node> node, both(depth));
    while (eat("||")) {
      NOROSHI_ASSIGN(std::unique_ptr<Node> right, both(depth));
      NOROSHI_ASSIGN(node, joined(Node::Kind::Or, std::move(node), std::move(right)));
    }
    return node;
  }

  Result<std::unique_ptr<Node>> both(int depth) {
    NOROSHI_ASSIGN(std::unique_ptr<Node> node, comparison(depth));
    while (eat("&&")) {
      NOROSHI_ASSIGN(std::unique_ptr<Node> right, comparison(depth));
      NOROSHI_ASSIGN(node, joined(Node::Kind::And, std::move(node), std::move(right)));
    }
    return node;
  }

  Result<std::unique_ptr<Node>> comparison(int depth) {
    if (depth >= FilterPattern::kDepthMax) return invalid("nested too deep");
    if (eat("(")) {
      NOROSHI_ASSIGN(std::unique_ptr<Node> node, either(depth + 1));
      if (!eat(")")) return invalid("a ')' is missing");
      return node;
    }
    auto node = std::make_unique<Node>();
    NOROSHI_TRY(selector(node->path));
    if (eat("IS NULL")) return node->comparison = Comparison::IsNull, std::move(node);
    if (eat("IS TRUE")) return node->comparison = Comparison::IsTrue, std::move(node);
    if (eat("IS FALSE")) return node->comparison = Comparison::IsFalse, std::move(node);
    if (eat("NOT EXISTS")) return node->comparison = Comparison::NotExists, std::move(node);
    if (eat("EXISTS")) return node->comparison = Comparison::Exists, std::move(node);
    if (eat("!=")) {
      node->comparison = Comparison::NotEqual;
    } else if (eat("<=")) {
      node->comparison = Comparison::LessEqual;
    } else if (eat(">=")) {
      node->comparison = Comparison::GreaterEqual;
    } else if (eat("<")) {
      node->comparison = Comparison::Less;
    } else if (eat(">")) {
      node->comparison = Comparison::Greater;
    } else if (!eat("=")) {
      return invalid("a comparison (=, !=, <, …, IS NULL, NOT EXISTS) must follow the selector");
    }
    NOROSHI_TRY(value(*node));
    return node;
  }

  Status selector(std::vector<PathStep>& path) {
    if (!eat("$")) return invalid("a selector begins with '$'");
    while (!rest_.empty() && (rest_.front() == '.' || rest_.front() == '[')) {
      if (rest_.front() == '.') {
        rest_.remove_prefix(1);
        const size_t end = std::min(rest_.find_first_of(" \t.[=!<>()&|"), rest_.size());
        if (end == 0) return invalid("an empty name in a selector");
        path.emplace_back(std::string(rest_.substr(0, end)));
        rest_.remove_prefix(end);
        continue;
      }
      rest_.remove_prefix(1);
      const size_t end = rest_.find(']');
      if (end == std::string_view::npos) return invalid("a ']' is missing");
      std::string_view inside = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      const bool is_quoted = inside.size() >= 2 &&
                             (inside.front() == '"' || inside.front() == '\'') &&
                             inside.back() == inside.front();
      if (is_quoted) {
        path.emplace_back(std::string(inside.substr(1, inside.size() - 2)));
        continue;
      }
      size_t index = 0;
      const auto [stop, error] =
          std::from_chars(inside.data(), inside.data() + inside.size(), index);
      if (inside.empty() || error != std::errc() || stop != inside.data() + inside.size()) {
        return invalid("an index must be a number or a quoted name");
      }
      path.emplace_back(index);
    }
    if (path.empty()) return invalid("a selector needs a name: $.level");
    return {};
  }

  Status value(Node& node) {
    skip_space();
    if (rest_.starts_with('%')) return invalid("regular expressions are not supported here");
    const bool ordered =
        node.comparison != Comparison::Equal && node.comparison != Comparison::NotEqual;
    if (rest_.starts_with('"')) {
      rest_.remove_prefix(1);
      for (;;) {
        if (rest_.empty()) return invalid("a quote is not closed");
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (c == '"') break;
        if (c == '\\' && !rest_.empty()) {
          node.text.push_back(rest_.front());
          rest_.remove_prefix(1);
        } else {
          node.text.push_back(c);
        }
      }
      if (ordered) return invalid("<, <=, >, >= compare with a number");
      return {};
    }
    const size_t end = std::min(rest_.find_first_of(" \t()&|"), rest_.size());
    node.text = std::string(rest_.substr(0, end));
    rest_.remove_prefix(end);
    node.number = to_number(node.text);
    if (node.text.empty()) return invalid("a value is missing");
    if (ordered && !node.number) return invalid("<, <=, >, >= compare with a number");
    return {};
  }

  std::string_view rest_;
};

std::optional<simdjson::dom::element> follow(simdjson::dom::element at,
                                             const std::vector<PathStep>& path) {
  for (const PathStep& step : path) {
    simdjson::dom::element next;
    const auto error = std::holds_alternative<std::string>(step)
                           ? at.at_key(std::get<std::string>(step)).get(next)
                           : at.at(std::get<size_t>(step)).get(next);
    if (error != simdjson::SUCCESS) return std::nullopt;
    at = next;
  }
  return at;
}

bool equals(const Node& node, simdjson::dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return wildcard_match(node.text, text);
  double number = 0;
  if (value.get(number) == simdjson::SUCCESS) {
    return node.number ? *node.number == number
                       : wildcard_match(node.text, simdjson::minify(value));
  }
  if (value.is_bool() || value.is_null()) return node.text == simdjson::minify(value);
  return false;
}

bool evaluate(const Node& node, simdjson::dom::element root) {
  if (node.kind == Node::Kind::And)
    return evaluate(*node.left, root) && evaluate(*node.right, root);
  if (node.kind == Node::Kind::Or) return evaluate(*node.left, root) || evaluate(*node.right, root);
  const auto value = follow(root, node.path);
  if (node.comparison == Comparison::NotExists) return !value;
  if (!value) return false;
  double number = 0;
  bool truth = false;
  const bool has_number = value->get(number) == simdjson::SUCCESS;
  const bool has_truth = value->get(truth) == simdjson::SUCCESS;
  switch (node.comparison) {
    case Comparison::Exists:
      return true;
    case Comparison::NotExists:
      return false;
    case Comparison::IsNull:
      return value->is_null();
    case Comparison::IsTrue:
      return has_truth && truth;
    case Comparison::IsFalse:
      return has_truth && !truth;
    case Comparison::Equal:
      return equals(node, *value);
    case Comparison::NotEqual:
      return !equals(node, *value);
    case Comparison::Less:
      return has_number && number < *node.number;
    case Comparison::LessEqual:
      return has_number && number <= *node.number;
    case Comparison::Greater:
      return has_number && number > *node.number;
    case Comparison::GreaterEqual:
      return has_number && number >= *node.number;
  }
  return false;
}

Result<std::vector<Term>> parse_terms(std::string_view text) {
  std::vector<Term> terms;
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == '\t') {
      text.remove_prefix(1);
      continue;
    }
    Term term;
    if (text.size() > 1 && (text.front() == '-' || text.front() == '?')) {
      term.excluded = text.front() == '-';
      term.optional = text.front() == '?';
      text.remove_prefix(1);
    }
    if (text.front() == '%') return invalid("regular expressions are not supported here");
    if (text.front() == '"') {
      text.remove_prefix(1);
      for (;;) {
        if (text.empty()) return invalid("a quote is not closed");
        const char c = text.front();
        text.remove_prefix(1);
        if (c == '"') break;
        if (c == '\\' && !text.empty()) {
          term.text.push_back(text.front());
          text.remove_prefix(1);
        } else {
          term.text.push_back(c);
        }
      }
    } else {
      const size_t end = std::min(text.find_first_of(" \t"), text.size());
      term.text = std::string(text.substr(0, end));
      text.remove_prefix(end);
      for (const char c : term.text) {
        if (!word_character(c)) {
          return invalid(fmt::format("\"{}\" has characters that need double quotes", term.text));
        }
      }
    }
    if (!term.text.empty()) terms.push_back(std::move(term));
  }
  return terms;
}

}  // namespace

struct FilterPattern::State {
  std::vector<Term> terms;
  std::unique_ptr<Node> json;
  simdjson::dom::parser parser;
};

FilterPattern::FilterPattern(std::unique_ptr<State> state) : state_(std::move(state)) {}
FilterPattern::FilterPattern(FilterPattern&&) noexcept = default;
FilterPattern& FilterPattern::operator=(FilterPattern&&) noexcept = default;
FilterPattern::~FilterPattern() = default;

Result<FilterPattern> FilterPattern::parse(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) return invalid("longer than 1024 bytes");
  const size_t first = pattern.find_first_not_of(" \t");
  const size_t last = pattern.find_last_not_of(" \t");
  auto state = std::make_unique<State>();
  if (first != std::string_view::npos) {
    pattern = pattern.substr(first, last - first + 1);
    if (pattern.front() == '[') return invalid("space-delimited patterns are not supported here");
    if (pattern.front() == '{') {
      if (pattern.back() != '}') return invalid("a '}' is missing");
      NOROSHI_ASSIGN(state->json, JsonPatternParser(pattern.substr(1, pattern.size() - 2)).parse());
    } else {
      NOROSHI_ASSIGN(state->terms, parse_terms(pattern));
    }
  }
  return FilterPattern(std::move(state));
}

bool FilterPattern::matches(std::string_view message) {
  if (state_->json) {
    if (message.empty() || message.find('{') == std::string_view::npos) return false;
    simdjson::dom::element root;
    if (state_->parser.parse(message.data(), message.size()).get(root) != simdjson::SUCCESS) {
      return false;
    }
    return root.is_object() && evaluate(*state_->json, root);
  }
  bool any_optional = false;
  bool optional_found = false;
  for (const Term& term : state_->terms) {
    const bool found = contains_term(message, term.text);
    if (term.optional) {
      any_optional = true;
      optional_found = optional_found || found;
    } else if (found == term.excluded) {
      return false;
    }
  }
  return !any_optional || optional_found;
}

}  // namespace noroshi::localaws
