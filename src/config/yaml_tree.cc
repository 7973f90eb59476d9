// libyaml gives events with marks that count characters; diagnostics count bytes. One cursor walks
// the text beside the events, because marks only move forward. The tree is built with a stack of
// our own: no depth of the text becomes depth of the C++ stack.
#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <string_view>

namespace noroshi {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// From libyaml's character index to our line and byte column.
class Cursor {
 public:
  Cursor(std::shared_ptr<const SourceText> source, size_t begin)
      : source_(std::move(source)), begin_(begin) {
    restart();
  }

  // The byte of character `index` (0: the first behind a byte order mark).
  size_t byte_of(size_t index) {
    if (index < index_) restart();
    const std::string& text = source_->text();
    while (index_ < index && byte_ < text.size()) {
      if (text[byte_] == '\n') {
        ++line_;
        line_begin_ = byte_ + 1;
      }
      ++byte_;
      while (byte_ < text.size() && (static_cast<unsigned char>(text[byte_]) & 0xC0) == 0x80)
        ++byte_;
      ++index_;
    }
    return byte_;
  }

  // Of character `index`, with `bytes` to underline as far as the line goes.
  SourceLocation at(size_t index, size_t bytes) {
    const size_t byte = byte_of(index);
    const std::string& text = source_->text();
    if (line_end_ < byte || line_ != line_of_end_) {
      line_end_ = std::min(text.find('\n', byte), text.size());
      line_of_end_ = line_;
    }
    const size_t end = line_end_ > byte && text[line_end_ - 1] == '\r' ? line_end_ - 1 : line_end_;
    return {source_, line_, static_cast<uint32_t>(byte - line_begin_ + 1),
            static_cast<uint32_t>(std::min(bytes, end - byte))};
  }

 private:
  void restart() {
    index_ = 0;
    byte_ = begin_;
    line_ = 1;
    line_begin_ = 0;
  }

  std::shared_ptr<const SourceText> source_;
  size_t begin_;
  size_t index_ = 0;
  size_t byte_ = 0;
  uint32_t line_ = 1;
  size_t line_begin_ = 0;
  // Where the line ends, found once: a file may be one line of many megabytes.
  size_t line_end_ = 0;
  uint32_t line_of_end_ = 0;
};

// What the words of libyaml mean for somebody who writes a configuration.
void explain(Diagnostic& diagnostic, std::string_view problem, char at) {
  if (problem.find("alphabetic or numeric") != std::string_view::npos) {
    diagnostic.help(
        "\"*\" and \"&\" mean something else in YAML: quote the value, as in match: "
        "\"*\"");
  } else if (problem.find("cannot start any token") != std::string_view::npos) {
    diagnostic.help(at == '\t' ? "YAML is indented with blanks, never with tabs"
                               : fmt::format("a value that begins with \"{}\" needs quotes", at));
  } else if (problem.find("mapping values are not allowed") != std::string_view::npos) {
    diagnostic.help(
        "a value that holds \": \" needs quotes; else this line is indented more than "
        "the one above");
  } else if (problem.find("expected key") != std::string_view::npos ||
             problem.find("block end") != std::string_view::npos ||
             problem.find("expected ':'") != std::string_view::npos ||
             problem.find("'-' indicator") != std::string_view::npos) {
    diagnostic.help(
        "this line is not indented like its neighbours, or \"key: value\" lacks its "
        "colon and blank");
  } else if (problem.find("unexpected end of stream") != std::string_view::npos) {
    diagnostic.help("a quote or bracket is not closed");
  }
}

class TreeBuilder {
 public:
  TreeBuilder(const std::shared_ptr<const SourceText>& source, Diagnostics& diagnostics)
      : source_(source),
        begin_(source->text().starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0),
        cursor_(source, begin_),
        diagnostics_(diagnostics) {}
  ~TreeBuilder() { yaml_parser_delete(&parser_); }
  TreeBuilder(const TreeBuilder&) = delete;
  TreeBuilder& operator=(const TreeBuilder&) = delete;

  std::optional<YamlNode> build() {
    if (yaml_parser_initialize(&parser_) == 0) return std::nullopt;  // out of memory
    const std::string& text = source_->text();
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_,
                                 reinterpret_cast<const unsigned char*>(text.data()) + begin_,
                                 text.size() - begin_);
    for (bool more = true; more;) {
      yaml_event_t event{};
      if (yaml_parser_parse(&parser_, &event) == 0) {
        report_syntax();
        return std::nullopt;
      }
      more = take(event);
      yaml_event_delete(&event);
    }
    if (failed_ || !root_) return std::nullopt;
    return std::move(root_);
  }

 private:
  struct Open {
    YamlNode node;
    std::optional<YamlNode> key;  // of a mapping: waits for its value
    bool bad_key = false;         // a map or list stood where a key belongs
  };

  // False at the end, and after an error that makes going on useless.
  bool take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        return add(scalar(event));
      case YAML_ALIAS_EVENT:
        return add(alias(event));
      case YAML_SEQUENCE_START_EVENT:
      case YAML_MAPPING_START_EVENT:
        return open(event);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT: {
        Open done = std::move(stack_.back());
        stack_.pop_back();
        return add(std::move(done.node));
      }
      case YAML_DOCUMENT_START_EVENT:
        if (++documents_ == 1) return true;
        diagnostics_
            .error(place(event.start_mark, event.end_mark),
                   "a second document begins here: a configuration is one document")
            .help("remove the \"---\", or make it a file of its own under includes");
        return false;
      case YAML_STREAM_END_EVENT:
        return false;
      default:
        return true;
    }
  }

  // What stands between two marks, cut at the end of the line.
  SourceLocation place(const yaml_mark_t& begin, const yaml_mark_t& end,
                       std::string_view* written = nullptr) {
    SourceLocation where = cursor_.at(begin.index, SIZE_MAX);
    const size_t byte = cursor_.byte_of(begin.index);
    const size_t bytes = std::max(cursor_.byte_of(end.index), byte) - byte;
    where.length = static_cast<uint32_t>(std::min<size_t>(bytes, where.length));
    if (written != nullptr) *written = std::string_view(source_->text()).substr(byte, where.length);
    return where;
  }

  YamlNode scalar(const yaml_event_t& event) {
    const auto& data = event.data.scalar;
    YamlNode node;
    node.text.assign(reinterpret_cast<const char*>(data.value), data.length);
    std::string_view written;
    node.where = place(event.start_mark, event.end_mark, &written);
    node.empty_plain = data.style == YAML_PLAIN_SCALAR_STYLE && node.text.empty();
    const bool quoted = data.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                        data.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (quoted && written.size() >= 2 && written.substr(1, written.size() - 2) == node.text &&
        !node.text.empty()) {
      ++node.where.column;
      node.where.length -= 2;
    } else if (written != node.text && node.where.length == node.text.size() &&
               node.where.length > 0) {
      // As long as the text, but not the text: nobody shall point into it (place_in.h).
      --node.where.length;
    }
    return node;
  }

  YamlNode alias(const yaml_event_t& event) {
    const std::string name(reinterpret_cast<const char*>(event.data.alias.anchor));
    YamlNode node;
    node.text = "*" + name;
    node.where = place(event.start_mark, event.end_mark);
    diagnostics_
        .error(node.where, fmt::format("\"{}\" is an alias; aliases are not supported", node.text))
        .help(fmt::format("for the text itself, quote it: \"{}\"; else write out what it stands "
                          "for (Fluent Bit refuses aliases, too)",
                          node.text));
    return node;
  }

  bool open(const yaml_event_t& event) {
    Open opened;
    const bool mapping = event.type == YAML_MAPPING_START_EVENT;
    opened.node.kind = mapping ? YamlNode::Kind::Mapping : YamlNode::Kind::Sequence;
    opened.node.where = cursor_.at(event.start_mark.index, 1);
    if (stack_.size() >= kYamlDepthMax) {
      diagnostics_.error(opened.node.where,
                         fmt::format("maps and lists are nested deeper than {}", kYamlDepthMax));
      failed_ = true;
      return false;
    }
    stack_.push_back(std::move(opened));
    return count();
  }

  bool count() {
    if (++nodes_ <= kYamlNodesMax) return true;
    diagnostics_.error(
        {source_, 0, 0, 0},
        fmt::format("there are more than {} keys and values in this file", kYamlNodesMax));
    failed_ = true;
    return false;
  }

  // A finished node goes into the collection that is open, or is the document.
  bool add(YamlNode node) {
    if (node.is_scalar() && !count()) return false;
    if (stack_.empty()) {
      root_ = std::move(node);
      return true;
    }
    Open& parent = stack_.back();
    if (parent.node.is_sequence()) {
      if (parent.node.items.empty()) parent.node.where = node.where;
      parent.node.items.push_back(std::move(node));
      return true;
    }
    if (!parent.key && !parent.bad_key) {
      if (node.is_scalar()) {
        if (parent.node.pairs.empty()) parent.node.where = node.where;
        parent.key = std::move(node);
      } else {
        diagnostics_.error(node.where, "a key must be a text");
        parent.bad_key = true;
      }
      return true;
    }
    if (parent.key) parent.node.pairs.push_back({*std::move(parent.key), std::move(node)});
    parent.key.reset();
    parent.bad_key = false;
    return true;
  }

  void report_syntax() {
    const std::string_view problem =
        parser_.problem == nullptr ? "this is no YAML" : parser_.problem;
    if (parser_.error == YAML_READER_ERROR) {
      // Bytes that are no text: the offset counts bytes.
      const size_t byte = std::min(begin_ + parser_.problem_offset, source_->text().size());
      const std::string_view before = std::string_view(source_->text()).substr(0, byte);
      const auto line = static_cast<uint32_t>(1 + std::ranges::count(before, '\n'));
      diagnostics_.error({source_, line, 0, 0},
                         fmt::format("not a text in UTF-8 as YAML wants it: {}", problem));
      return;
    }
    // An alias without a name ("match: *") is better shown at its star than behind it.
    const bool star = problem.find("alphabetic or numeric") != std::string_view::npos;
    const yaml_mark_t& mark = star ? parser_.context_mark : parser_.problem_mark;
    const SourceLocation where = cursor_.at(mark.index, 1);
    const std::string_view line = source_->line(where.line);
    const char at = where.column <= line.size() ? line[where.column - 1] : '\0';
    Diagnostic& diagnostic = diagnostics_.error(where, fmt::format("YAML: {}", problem));
    explain(diagnostic, problem, at);
    if (!star && parser_.context != nullptr &&
        parser_.context_mark.index < parser_.problem_mark.index) {
      const SourceLocation began = cursor_.at(parser_.context_mark.index, 1);
      diagnostic.note(parser_.context, began);
    }
  }

  std::shared_ptr<const SourceText> source_;
  size_t begin_;
  Cursor cursor_;
  Diagnostics& diagnostics_;
  yaml_parser_t parser_{};
  std::vector<Open> stack_;
  std::optional<YamlNode> root_;
  size_t nodes_ = 0;
  int documents_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<YamlNode> parse_yaml_tree(const std::shared_ptr<const SourceText>& source,
                                        Diagnostics& diagnostics) {
  return TreeBuilder(source, diagnostics).build();
}

}  // namespace noroshi
