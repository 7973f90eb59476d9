// Fluent Bit's filter takes every record out of the chunk and lets an emitter input send it through
// the chain again, which costs a second pass for each record, reorders them and loops when two such
// filters match. Here a joined record takes the place of its last line in the chunk, and a chunk
// without anything to join costs one look at each text.
#include "filter/multiline/multiline.h"

#include <fmt/format.h>

#include <algorithm>

#include "filter/chunk_rewriter.h"
#include "filter/partial_message/partial_message.h"
#include "parser/multiline.h"
#include "parser/multiline_registry.h"
#include "parser/parser_registry.h"
#include "record/map_pairs.h"

namespace noroshi {

const OptionTable<MultilineFilterOptions>& multiline_filter_option_table() {
  using O = MultilineFilterOptions;
  static const auto table =
      OptionTable<O>("multiline", "Joins the lines of tracebacks and other messages of many lines.")
          .option("multiline.parser", &O::parsers,
                  "One or several of docker, cri, go, java, python, ruby and your own "
                  "[MULTILINE_PARSER]s, separated by commas; the first that a line starts is used. "
                  "Required with mode parser.")
          .option("multiline.key_content", &O::key_content,
                  "The key whose text is joined. Default: what the parser names, else log.")
          .choice("mode", &O::mode, "parser",
                  {{"parser", O::Mode::Parser}, {"partial_message", O::Mode::PartialMessage}},
                  "partial_message: joins the pieces of Docker's long lines instead, which noroshi "
                  "does anyway (filter partial_message).")
          .option("buffer", &O::buffer, "on",
                  "Off: a message ends with its chunk; nothing is held back.")
          .option("flush_ms", &O::flush_ms, "2000", "Milliseconds to wait for a further line.")
          .between("500", "3600000")
          .ignored("emitter_name", "there is no emitter: joined records go on in their chunk")
          .ignored("emitter_storage.type", "there is no emitter: the journal is the only buffer")
          .ignored("emitter_mem_buf_limit", "there is no emitter: what is held is at most 8 MiB")
          .ignored("debug_flush", "accepted; filter stdout shows records");
  return table;
}

namespace {

// What a record says about the stream it belongs to; views into it.
struct LineFields {
  std::string_view text, container, source;
  bool has_text = false;
};

class MultilineFilter final : public Filter {
 public:
  MultilineFilter(std::unique_ptr<MultilineJoiner> joiner, bool buffer,
                  std::shared_ptr<FilterCounter> joined, std::shared_ptr<FilterCounter> splits)
      : joiner_(std::move(joiner)),
        buffer_(buffer),
        joined_(std::move(joined)),
        splits_(std::move(splits)) {}

  void apply(Chunk& chunk, FilterOutput& output, FilterMetrics&) override {
    size_t index = joiner_->idle() ? lines_of_nothing(chunk) : 0;
    if (index == chunk.records.size()) return;
    InChunk in_chunk(chunk, rewriter_, output);
    rewriter_.begin(chunk);
    for (size_t i = 0; i < index; ++i) rewriter_.keep(chunk.records[i]);
    for (; index < chunk.records.size(); ++index) {
      const RecordEntry& entry = chunk.records[index];
      if (!take(chunk, entry, in_chunk)) rewriter_.keep(entry);
    }
    if (!buffer_) joiner_->release_all(in_chunk);
    rewriter_.finish();
    in_chunk.give_acks();
    count();
  }

  void on_tick(FilterOutput& output, FilterMetrics&) override {
    if (joiner_->idle()) return;
    Apart apart(output);
    joiner_->release_expired(apart);
    count();
  }

  void flush(FilterOutput& output, FilterMetrics&) override {
    Apart apart(output);
    joiner_->release_all(apart);
    count();
  }

 private:
  static std::string_view tag_of(const MultilineMessage& message) {
    return message.stream.substr(0, message.stream.find('\0'));
  }

  // A message goes on in a chunk of its own.
  class Apart : public MultilineOutput {
   public:
    explicit Apart(FilterOutput& output) : output_(output) {}
    void take(MultilineMessage& message) override {
      Chunk chunk;
      chunk.tag = tag_of(message);
      chunk.acks = std::move(message.acks);
      chunk.append(message.time, message.record, message.metadata);
      output_.emit(chunk, false);
    }

   private:
    FilterOutput& output_;
  };

  // It takes its place in the chunk that is being rewritten, if that has its tag.
  class InChunk final : public Apart {
   public:
    InChunk(Chunk& chunk, ChunkRewriter& rewriter, FilterOutput& output)
        : Apart(output), chunk_(chunk), rewriter_(rewriter) {}
    void take(MultilineMessage& message) override {
      if (tag_of(message) != chunk_.tag) return Apart::take(message);
      rewriter_.begin_new_record(message.metadata).append(message.record);
      rewriter_.end_record(message.time);
      for (auto& ack : message.acks) acks_.push_back(std::move(ack));
    }
    void give_acks() {
      for (auto& ack : acks_) {
        const auto& own = chunk_.acks;
        if (std::find(own.begin(), own.end(), ack) == own.end()) {
          chunk_.acks.push_back(std::move(ack));
        }
      }
    }

   private:
    Chunk& chunk_;
    ChunkRewriter& rewriter_;
    std::vector<std::shared_ptr<PendingAck>> acks_;
  };

  // How many records at the chunk's begin are part of nothing.
  size_t lines_of_nothing(const Chunk& chunk) const {
    const std::string& key = joiner_->key_content();
    size_t index = 0;
    for (const RecordEntry& entry : chunk.records) {
      MapPairs pairs(chunk.view().record(entry));
      for (MapPair pair; pairs.next(pair);) {
        if (pair.name != key) continue;
        const auto text = MsgpackReader(pair.value).read_binary();
        if (text && joiner_->may_start(*text)) return index;
        break;
      }
      ++index;
    }
    return index;
  }

  bool take(const Chunk& chunk, const RecordEntry& entry, InChunk& output) {
    const std::string_view record = chunk.view().record(entry);
    LineFields fields;
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      const bool text = pair.name == joiner_->key_content();
      if (!text && pair.name != "container_id" && pair.name != "source") continue;
      const auto value = MsgpackReader(pair.value).read_binary();
      if (!value) continue;
      if (text)
        fields.text = *value, fields.has_text = true;
      else if (pair.name == "source")
        fields.source = *value;
      else
        fields.container = *value;
    }
    if (!fields.has_text) return false;
    stream_.assign(chunk.tag).append(1, '\0').append(fields.container).append(1, '\0');
    stream_.append(fields.source);
    return joiner_->add(stream_,
                        {.text = fields.text,
                         .time = entry.time,
                         .record = record,
                         .metadata = chunk.view().metadata(entry),
                         .acks = chunk.acks},
                        output);
  }

  void count() {
    joined_->counter.set(joiner_->joined());
    splits_->counter.set(joiner_->splits());
  }

  const std::unique_ptr<MultilineJoiner> joiner_;
  const bool buffer_;
  const std::shared_ptr<FilterCounter> joined_, splits_;
  ChunkRewriter rewriter_;
  std::string stream_;
};

std::shared_ptr<FilterCounter> counter(std::string family, std::string help) {
  auto made = std::make_shared<FilterCounter>();
  made->family = std::move(family);
  made->help = std::move(help);
  return made;
}

std::optional<MadeFilter> make_partial(const MultilineFilterOptions& options,
                                       const Section& section, const FilterContext& context,
                                       Diagnostics& diagnostics) {
  for (const std::string_view name : {"multiline.parser", "buffer"}) {
    if (section.find(name) == nullptr) continue;
    diagnostics.warning(section.where_of(name),
                        fmt::format("{} has no effect with mode partial_message", name));
  }
  PartialMessageOptions partial{.size_limit = {context.parsers.multiline().message_bytes_max()},
                                .flush_timeout = Milliseconds(options.flush_ms)};
  if (!options.key_content.empty()) partial.key = options.key_content;
  MadeFilter made;
  made.description =
      fmt::format("joins Docker's pieces under {} up to {}, within {}", partial.key,
                  to_string(partial.size_limit), duration_to_string(partial.flush_timeout));
  made.filter = make_partial_message(partial, context.clock);
  return made;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const MultilineFilterOptions options =
      multiline_filter_option_table().parse(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  if (options.mode == MultilineFilterOptions::Mode::PartialMessage) {
    return make_partial(options, section, context, diagnostics);
  }
  if (options.parsers.empty()) {
    diagnostics.error(section.where, "filter multiline needs multiline.parser")
        .help("for Python tracebacks: multiline.parser python");
    return std::nullopt;
  }
  MultilineSettings settings{.key_content = options.key_content,
                             .flush_timeout = Milliseconds(options.flush_ms)};
  auto joiner = make_multiline_joiner(options.parsers, std::move(settings), context.parsers,
                                      context.clock, diagnostics);
  if (!joiner) return std::nullopt;
  MadeFilter made;
  std::string names;
  for (const LocatedText& list : options.parsers) {
    names += (names.empty() ? "" : ", ") + list.text;
  }
  made.description = fmt::format("joins lines under {} by {}{}", joiner->key_content(), names,
                                 options.buffer ? "" : ", chunk by chunk");
  auto joined =
      counter("noroshi_filter_multiline_joined_total", "Records made of two or more lines.");
  auto splits = counter("noroshi_filter_multiline_split_total",
                        "Messages that reached a limit and go on in a further record.");
  made.counters = {joined, splits};
  made.filter = std::make_unique<MultilineFilter>(std::move(joiner), options.buffer,
                                                  std::move(joined), std::move(splits));
  return made;
}

}  // namespace

const FilterPlugin kMultilineFilter = {
    .name = "multiline",
    .summary = "Joins the lines of tracebacks and other messages of many lines.",
    .options = [] { return multiline_filter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
