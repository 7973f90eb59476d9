#include "parser/multiline.h"

#include <algorithm>
#include <list>
#include <unordered_map>

#include <fmt/format.h>

#include "parser/parser_registry.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

constexpr std::string_view kDefaultKey = "log";
// Of a message beside its text.
constexpr uint64_t kBytesPerMessage = 256;

std::string_view text_of(std::optional<std::string_view> value) {
  if (!value) return {};
  const auto token = MsgpackReader(*value).next();
  if (!token || (token->type != MsgpackType::String && token->type != MsgpackType::Binary)) {
    return {};
  }
  return token->bytes;
}

// A line as one of the rules sees it.
struct Prepared {
  enum class State : uint8_t { NotYet, NotForThem, Ready } state = State::NotYet;
  std::string_view text = {};     // what is joined
  std::string_view subject = {};  // what the rules look at
  std::string_view group = {};
  std::string_view record = {};
  std::string_view text_value = {};  // `text` as MessagePack, inside `record`
  Timestamp time = {};
};

struct OpenMessage {
  std::string key;     // stream, and the group
  size_t stream_size;  // of the stream in it
  size_t rules = 0;
  MultilineRules::State state = MultilineRules::kNothingOpen;
  uint32_t lines = 0;  // 0: a limit or the timeout ended it, its state stays for what follows
  std::string text;    // from the second line on
  std::string record;  // of the first line, whole
  size_t text_begin = 0, text_end = 0;  // in `record`, of the text's MessagePack
  std::string metadata;
  Timestamp time;
  uint64_t position = 0;
  Monotonic touched;
  std::vector<std::shared_ptr<PendingAck>> acks;

  [[nodiscard]] std::string_view stream() const {
    return std::string_view(key).substr(0, stream_size);
  }
  [[nodiscard]] uint64_t bytes() const {
    return kBytesPerMessage + key.size() + text.size() + record.size() + metadata.size();
  }
};

}  // namespace

struct MultilineJoiner::Impl {
  using Open = std::list<OpenMessage>;  // in the order they were opened

  Impl(std::vector<std::shared_ptr<const MultilineRules>> with_rules, MultilineSettings with,
       const Clock& of)
      : rules(std::move(with_rules)), settings(std::move(with)), clock(of), prepared(rules.size()) {
    key_content = settings.key_content;
    for (const auto& one : rules) {
      if (key_content.empty()) key_content = one->options().key_content;
      timeout = std::max(timeout, one->options().flush_timeout);
      has_groups = has_groups || !one->options().key_group.empty();
    }
    if (key_content.empty()) key_content = kDefaultKey;
    if (settings.flush_timeout) timeout = *settings.flush_timeout;
  }

  // The key the rules' text has in a record their line parser made.
  [[nodiscard]] const std::string& content_key(const MultilineRules& of) const {
    if (!settings.key_content.empty() || of.options().key_content.empty()) return key_content;
    return of.options().key_content;
  }

  const Prepared& prepare(size_t index, const MultilineLine& line) {
    Prepared& out = prepared[index];
    if (out.state != Prepared::State::NotYet) return out;
    out = {.state = Prepared::State::Ready,
           .text = line.text,
           .subject = line.text,
           .record = line.record,
           .time = line.time};
    if (parsers[index] != nullptr && !parse_line(index, line, out)) {
      out.state = Prepared::State::NotForThem;
      return out;
    }
    const MultilineOptions& options = rules[index]->options();
    if (!out.record.empty()) {
      if (const auto value = find_key(out.record, content_key(*rules[index]))) {
        out.text_value = *value;
      } else {
        out.state = Prepared::State::NotForThem;
        return out;
      }
      if (!options.key_pattern.empty()) {
        if (const auto value = find_key(out.record, options.key_pattern)) {
          out.subject = text_of(value);
        }
      }
      if (!options.key_group.empty()) out.group = text_of(find_key(out.record, options.key_group));
    }
    return out;
  }

  // The line's record by the rules' parser; the other pairs of the record the line came in stay.
  bool parse_line(size_t index, const MultilineLine& line, Prepared& out) {
    std::string& map = parsed[index];
    map.clear();
    std::optional<Timestamp> time;
    auto pairs = parsers[index]->append_map(line.text, map, time);
    if (!pairs) return false;
    const auto text = find_key(map, content_key(*rules[index]));
    if (!text || MsgpackReader(*text).peek() != MsgpackType::String) return false;
    MapPairs outer(line.record);
    for (MapPair pair; !line.record.empty() && outer.next(pair);) {
      if (pair.name == key_content || find_key(map, pair.name)) continue;
      map.append(pair.bytes());
      set_map_pairs(map, 0, ++*pairs);
    }
    if (time) out.time = *time;
    out.record = map;
    out.text = text_of(find_key(map, content_key(*rules[index])));
    out.subject = out.text;
    return true;
  }

  Open::iterator find(std::string_view stream, std::string_view group) {
    key.assign(stream).append(1, '\0').append(group);
    const auto found = by_key.find(key);
    return found == by_key.end() ? open.end() : found->second;
  }

  bool add(std::string_view stream, const MultilineLine& line, MultilineOutput& output) {
    for (Prepared& one : prepared) one.state = Prepared::State::NotYet;
    if (!open.empty()) {
      // First the rules whose message is open.
      for (size_t i = 0; i < rules.size(); ++i) {
        const Prepared& seen = prepare(i, line);
        if (seen.state != Prepared::State::Ready) continue;
        const auto message = find(stream, seen.group);
        if (message == open.end() || message->rules != i) continue;
        const LineStep step = rules[i]->step(message->state, seen.subject);
        if (step.role == LineRole::Passes) return false;
        if (step.role == LineRole::Other) break;
        if (step.role == LineRole::Starts) {
          const auto state = message->state;
          return start(message, stream, i, state, step.complete, seen, line, output);
        }
        append(message, step.complete, seen, line, output);
        return true;
      }
    }
    for (size_t i = 0; i < rules.size(); ++i) {
      const Prepared& seen = prepare(i, line);
      if (seen.state != Prepared::State::Ready) continue;
      MultilineRules::State state = MultilineRules::kNothingOpen;
      const LineStep step = rules[i]->step(state, seen.subject);
      if (step.role == LineRole::Other || step.role == LineRole::Passes) continue;
      return start(find(stream, seen.group), stream, i, state, step.complete, seen, line, output);
    }
    release_stream(stream, output);
    return false;
  }

  // The line begins a message; what is open in its place (or end()) goes out.
  bool start(Open::iterator before, std::string_view stream, size_t index,
             MultilineRules::State state, bool complete, const Prepared& seen,
             const MultilineLine& line, MultilineOutput& output) {
    if (before != open.end()) release(before, output);
    if (complete && parsers[index] == nullptr) return false;  // one line, unchanged
    OpenMessage& message = open.emplace_back();
    message.key.assign(stream).append(1, '\0').append(seen.group);
    message.stream_size = stream.size();
    message.rules = index;
    message.state = state;
    const auto made = std::prev(open.end());
    by_key[message.key] = made;
    open_bytes += message.bytes();
    begin(message, seen, line);
    if (complete)
      release(made, output);
    else
      make_room(output);
    return true;
  }

  // The first line of what goes out.
  void begin(OpenMessage& message, const Prepared& seen, const MultilineLine& line) {
    const uint64_t before = message.bytes();
    message.lines = 1;
    message.text.clear();
    if (seen.record.empty()) {
      message.record.clear();
      MsgpackWriter writer(message.record);
      writer.map_header(1);
      writer.string(content_key(*rules[message.rules]));
      message.text_begin = message.record.size();
      writer.string(seen.text);
      message.text_end = message.record.size();
    } else {
      message.record.assign(seen.record);
      message.text_begin = static_cast<size_t>(seen.text_value.data() - seen.record.data());
      message.text_end = message.text_begin + seen.text_value.size();
    }
    message.metadata = line.metadata;
    message.time = seen.time;
    message.position = line.position;
    hold(message, line);
    open_bytes += message.bytes() - before;
  }

  void append(Open::iterator message, bool complete, const Prepared& seen,
              const MultilineLine& line, MultilineOutput& output) {
    if (message->lines > 0 &&
        (message->lines >= kMultilineLinesMax ||
         std::max<uint64_t>(message->text.size(), message->text_end - message->text_begin) +
                 seen.text.size() >=
             settings.message_bytes_max)) {
      ++splits;
      emit(*message, output);
    }
    if (message->lines == 0) {
      begin(*message, seen, line);
    } else {
      const uint64_t before = message->bytes();
      std::string& text = message->text;
      if (message->lines == 1) text = first_text(*message);
      if (separated(message->rules) && !text.empty() && text.back() != '\n') text += '\n';
      text.append(seen.text);
      if (seen.text.empty() && separated(message->rules)) text += '\n';
      ++message->lines;
      hold(*message, line);
      open_bytes += message->bytes() - before;
    }
    if (complete)
      release(message, output);
    else
      make_room(output);
  }

  // Lines of a traceback are put under each other; pieces of one line are put together. (Fluent
  // Bit's rule: flb_ml.c, breakline_prepare.)
  [[nodiscard]] bool separated(size_t index) const {
    const MultilineOptions& options = rules[index]->options();
    return options.type == MultilineType::Regex ||
           (settings.key_content.empty() && options.key_content.empty());
  }

  static std::string_view first_text(const OpenMessage& message) {
    return text_of(std::string_view(message.record)
                       .substr(message.text_begin, message.text_end - message.text_begin));
  }

  void hold(OpenMessage& message, const MultilineLine& line) {
    message.touched = clock.monotonic();
    for (const auto& ack : line.acks) {
      if (std::find(message.acks.begin(), message.acks.end(), ack) == message.acks.end()) {
        message.acks.push_back(ack);
      }
    }
  }

  // What the message has so far goes out; its state stays.
  void emit(OpenMessage& message, MultilineOutput& output) {
    if (message.lines == 0) return;
    const uint64_t before = message.bytes();
    MultilineMessage out{.stream = message.stream(),
                         .time = message.time,
                         .metadata = message.metadata,
                         .record = message.record,
                         .lines = message.lines,
                         .acks = message.acks};
    if (message.lines > 1) {
      ++joined;
      if (rules[message.rules]->drops_blank_end()) {
        while (!message.text.empty() &&
               (message.text.back() == '\n' || message.text.back() == '\r'))
          message.text.pop_back();
      }
      scratch.assign(message.record, 0, message.text_begin);
      MsgpackWriter(scratch).string(message.text);
      scratch.append(message.record, message.text_end);
      out.record = scratch;
    }
    output.take(out);
    message.lines = 0;
    message.acks.clear();
    message.text.clear();
    message.record.clear();
    message.metadata.clear();
    open_bytes -= before - message.bytes();
  }

  void release(Open::iterator message, MultilineOutput& output) {
    emit(*message, output);
    open_bytes -= message->bytes();
    by_key.erase(message->key);
    open.erase(message);
  }

  template <typename Which>
  void release_if(Which which, MultilineOutput& output) {
    for (auto message = open.begin(); message != open.end();) {
      const auto next = std::next(message);
      if (which(*message)) release(message, output);
      message = next;
    }
  }

  void release_stream(std::string_view stream, MultilineOutput& output) {
    if (open.empty()) return;
    if (has_groups) {
      return release_if([&](const OpenMessage& one) { return one.stream() == stream; }, output);
    }
    if (const auto message = find(stream, {}); message != open.end()) release(message, output);
  }

  void release_expired(MultilineOutput& output) {
    const Monotonic now = clock.monotonic();
    for (auto message = open.begin(); message != open.end();) {
      const auto next = std::next(message);
      const bool brief = rules[message->rules]->is_probably_complete(message->state);
      if (now - message->touched >= (brief ? std::min(kMultilineShortWait, timeout) : timeout)) {
        if (brief || message->lines == 0) {
          release(message, output);
        } else {
          // Whoever writes it may only be slow: what follows is joined to a further message.
          emit(*message, output);
          message->touched = now;
        }
      }
      message = next;
    }
  }

  void make_room(MultilineOutput& output) {
    while (open.size() > kMultilineStreamsMax ||
           (open_bytes > kMultilineBytesOpenMax && !open.empty())) {
      if (open.front().lines > 0) ++splits;
      release(open.begin(), output);
    }
  }

  const std::vector<std::shared_ptr<const MultilineRules>> rules;
  const MultilineSettings settings;
  const Clock& clock;
  std::vector<std::unique_ptr<Parser>> parsers;  // null: the rules have none
  std::vector<std::string> parsed;               // what they made of the current line
  std::vector<Prepared> prepared;
  std::string key_content;
  Nanoseconds timeout{};
  bool has_groups = false;

  Open open;
  std::unordered_map<std::string_view, Open::iterator> by_key;  // keys live in the messages
  uint64_t open_bytes = 0;
  uint64_t joined = 0, splits = 0;
  std::string key, scratch;
};

MultilineJoiner::MultilineJoiner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MultilineJoiner::~MultilineJoiner() = default;

Result<std::unique_ptr<MultilineJoiner>> MultilineJoiner::make(
    std::vector<std::shared_ptr<const MultilineRules>> rules, MultilineSettings settings,
    const ParserRegistry& registry, const Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(rules), std::move(settings), clock);
  for (const auto& one : impl->rules) {
    std::unique_ptr<Parser> parser;
    if (one->line_parser()) {
      NOROSHI_ASSIGN(parser, Parser::make(*one->line_parser(), clock));
    } else if (!one->options().parser.empty()) {
      NOROSHI_ASSIGN(parser, registry.make(one->options().parser));
    }
    impl->parsers.push_back(std::move(parser));
  }
  impl->parsed.resize(impl->rules.size());
  return std::unique_ptr<MultilineJoiner>(new MultilineJoiner(std::move(impl)));
}

bool MultilineJoiner::idle() const { return impl_->open.empty(); }

bool MultilineJoiner::may_start(std::string_view text) const {
  for (size_t i = 0; i < impl_->rules.size(); ++i) {
    if (impl_->parsers[i] != nullptr || impl_->rules[i]->may_start(text)) return true;
  }
  return false;
}

bool MultilineJoiner::add(std::string_view stream, const MultilineLine& line,
                          MultilineOutput& output) {
  return impl_->add(stream, line, output);
}

void MultilineJoiner::release_expired(MultilineOutput& output) { impl_->release_expired(output); }
void MultilineJoiner::release_stream(std::string_view stream, MultilineOutput& output) {
  impl_->release_stream(stream, output);
}
void MultilineJoiner::release_all(MultilineOutput& output) {
  impl_->release_if([](const OpenMessage&) { return true; }, output);
}

std::optional<uint64_t> MultilineJoiner::first_position(std::string_view stream) const {
  std::optional<uint64_t> first;
  for (const OpenMessage& message : impl_->open) {
    if (message.lines == 0 || message.stream() != stream) continue;
    first = std::min(first.value_or(message.position), message.position);
  }
  return first;
}

uint64_t MultilineJoiner::joined() const { return impl_->joined; }
uint64_t MultilineJoiner::splits() const { return impl_->splits; }
const std::string& MultilineJoiner::key_content() const { return impl_->key_content; }

}  // namespace noroshi
