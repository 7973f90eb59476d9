#include "pipeline/ingest.h"

#include <algorithm>

namespace noroshi {
namespace {

// Tags whose input is remembered; a flood of new tags starts over.
constexpr size_t kTagsRememberedMax = 1024;

// A chunk takes at most this share of the journal: a small one must not be full after a single
// chunk.
constexpr uint64_t kChunksPerJournalMin = 8;

// Keeps the records whose index satisfies `keep`; the body is compacted in place.
template <typename Keep>
void keep_records(Chunk& chunk, Keep&& keep) {
  std::string body;
  std::vector<RecordEntry> records;
  for (uint32_t i = 0; i < chunk.records.size(); ++i) {
    if (!keep(i)) continue;
    RecordEntry entry = chunk.records[i];
    const std::string_view bytes =
        std::string_view(chunk.body).substr(entry.position, entry.metadata_size + entry.size);
    entry.position = static_cast<uint32_t>(body.size());
    body.append(bytes);
    records.push_back(entry);
  }
  chunk.body = std::move(body);
  chunk.records = std::move(records);
}

}  // namespace

// What a filter writes to: remembers where in the chain the chunk goes on. `input` is that of the
// chunk being filtered.
class Ingest::StageOutput final : public FilterOutput {
 public:
  StageOutput(Ingest& ingest, size_t stage, uint32_t restarts, std::optional<size_t> output,
              uint16_t input = kNoInput)
      : ingest_(ingest), stage_(stage), restarts_(restarts), output_(output), input_(input) {}

  void emit(Chunk& chunk, bool from_head) override {
    if (chunk.empty()) return chunk.clear();
    Emitted emitted;
    emitted.stage = from_head ? ingest_.head_ : stage_ + 1;
    emitted.restarts = restarts_ + (from_head ? 1 : 0);
    emitted.output = output_;
    if (emitted.restarts > kRestartsMax) {
      emitted.stage = stage_ + 1;
      if (const uint64_t times = ingest_.loop_episode_.admit()) {
        log_warn("filter",
                 "records of tag {} were sent back to the head of the chain {} times and go on "
                 "instead: the "
                 "rules of rewrite_tag form a loop ({} times)",
                 chunk.tag, kRestartsMax, times);
      }
    }
    // A new tag is a new source, as with Fluent Bit's emitter: routed by its tag.
    if (from_head)
      chunk.input = kNoInput;
    else if (chunk.input == kNoInput)
      chunk.input = input_ != kNoInput ? input_ : ingest_.input_remembered(chunk.tag);
    std::swap(emitted.chunk, chunk);
    ingest_.emitted_.push_back(std::move(emitted));
    chunk.clear();
  }

 private:
  Ingest& ingest_;
  size_t stage_;
  uint32_t restarts_;
  std::optional<size_t> output_;
  uint16_t input_;
};

Ingest::Ingest(boost::asio::io_context& loop, std::vector<FilterStage> stages, RouteTable& routes,
               Journal& journal, std::vector<const InputMetrics*> inputs,
               std::vector<RoutedOutput> outputs, bool shed)
    : tick_timer_(loop),
      retry_timer_(loop),
      stages_(std::move(stages)),
      routes_(routes),
      journal_(journal),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      shed_(shed),
      stored_before_(journal.take_receipts()),
      started_(system_clock().monotonic()) {
  std::ranges::sort(stored_before_);
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].input) head_ = i + 1;
  }
  copies_begin_ = head_;
  while (copies_begin_ < stages_.size() && !stages_[copies_begin_].output) ++copies_begin_;
}

Ingest::~Ingest() = default;

Status Ingest::ingest(Chunk& chunk, InputMetrics& metrics) {
  if (stalled_bytes_ >= kStalledBytesMax) {
    return fail(ErrorCode::Exhausted, "the journal takes no more and the waiting room is full");
  }
  metrics.records.add(chunk.records.size());
  metrics.bytes.add(chunk.body.size());
  chunk.input = number_of(metrics);
  if (routes_.needs_inputs()) remember_input(chunk);
  run_chain(chunk, 0, 0, std::nullopt);
  run_emitted();
  commit();
  chunk.clear();
  return {};
}

uint16_t Ingest::number_of(const InputMetrics& metrics) const {
  const auto found = std::find(inputs_.begin(), inputs_.end(), &metrics);
  return found == inputs_.end() ? kNoInput : static_cast<uint16_t>(found - inputs_.begin());
}

void Ingest::remember_input(const Chunk& chunk) {
  if (const auto known = input_of_tag_.find(chunk.tag); known != input_of_tag_.end()) {
    known->second = chunk.input;
    return;
  }
  if (input_of_tag_.size() >= kTagsRememberedMax) input_of_tag_.clear();
  input_of_tag_.emplace(chunk.tag, chunk.input);
}

uint16_t Ingest::input_remembered(const std::string& tag) const {
  const auto found = input_of_tag_.find(tag);
  return found == input_of_tag_.end() ? kNoInput : found->second;
}

bool Ingest::applies(const FilterStage& stage, const Chunk& chunk, std::optional<size_t> output) {
  if (stage.output != output) return false;
  if (stage.output) return true;
  if (stage.input) return *stage.input == chunk.input;
  if (stage.match_regex && stage.match_regex->matches(chunk.tag)) return true;
  return std::any_of(stage.match.begin(), stage.match.end(),
                     [&](const TagPattern& pattern) { return pattern.matches(chunk.tag); });
}

void Ingest::run_chain(Chunk& chunk, size_t stage, uint32_t restarts,
                       std::optional<size_t> output) {
  const uint16_t input = chunk.input;
  const size_t end = output ? stages_.size() : copies_begin_;
  for (; stage < end && !chunk.empty(); ++stage) {
    if (!applies(stages_[stage], chunk, output)) continue;
    stages_[stage].metrics->records.add(chunk.records.size());
    stages_[stage].metrics->bytes.add(chunk.body.size());
    StageOutput emitter(*this, stage, restarts, output, input);
    stages_[stage].filter->apply(chunk, emitter, *stages_[stage].metrics);
  }
  if (!chunk.empty()) {
    chunk.input = input;
    store(chunk, output);
  } else {
    // Every record was dropped or held: who holds one keeps its ack too.
    for (auto& ack : chunk.acks) appended_acks_.push_back({.ack = std::move(ack)});
    chunk.acks.clear();
  }
}

void Ingest::run_emitted() {
  while (!emitted_.empty()) {
    Emitted next = std::move(emitted_.front());
    emitted_.pop_front();
    run_chain(next.chunk, next.stage, next.restarts, next.output);
  }
}

void Ingest::store(Chunk& chunk, std::optional<size_t> output) {
  if (shed_ && !output) shed_least_severe(chunk);
  if (chunk.empty()) return;
  const uint64_t body_max =
      std::min<uint64_t>(kChunkBodyBytesMax, journal_.bytes_max() / kChunksPerJournalMin);
  if (chunk.records.size() > 1 &&
      (chunk.body.size() > body_max || chunk.records.size() > kChunkRecordsMax)) {
    // A filter made it grow, or the journal is small. Two halves, each with the acks of the whole.
    const uint32_t middle = static_cast<uint32_t>(chunk.records.size() / 2);
    Chunk second = chunk;
    keep_records(chunk, [&](uint32_t index) { return index < middle; });
    keep_records(second, [&](uint32_t index) { return index >= middle; });
    store(chunk, output);
    return store(second, output);
  }
  if (!output && copies_begin_ < stages_.size()) copy_for_processors(chunk);
  if (!stalled_.empty()) return hold(chunk, output);  // order is kept
  const Status appended = append(chunk, output);
  if (appended) return;
  if (appended.error().code == ErrorCode::InvalidArgument) {
    refuse(chunk, appended.error());
    return chunk.clear();
  }
  log_trouble(appended.error());
  hold(chunk, output);
}

// A copy of what each output with processors takes enters that output's chain. It holds the acks
// as well: a client is told "stored" when the copy is.
void Ingest::copy_for_processors(Chunk& chunk) {
  for (size_t i = copies_begin_; i < stages_.size(); ++i) {
    const size_t output = *stages_[i].output;
    if (i > copies_begin_ && stages_[i - 1].output == output) continue;  // the chain goes on
    if (!routes_.select_for_copy(chunk, output, selected_)) continue;
    Emitted copy{.chunk = chunk, .stage = i, .output = output};
    if (!selected_.all())
      keep_records(copy.chunk, [&](uint32_t index) { return selected_.test(index); });
    emitted_.push_back(std::move(copy));
  }
}

// The journal can never take it (one record larger than the journal, say): repeating would not
// help.
void Ingest::refuse(const Chunk& chunk, const Error& error) {
  log_error("ingest", "LOST {} records of tag {}: {}", chunk.records.size(),
            chunk.tag.substr(0, 80), error.message);
  refused_.add(chunk.records.size());
  for (const auto& ack : chunk.acks) ack->fail();
}

Status Ingest::append(Chunk& chunk, std::optional<size_t> output) {
  if (output)
    routes_.route_copy(chunk, *output, routing_block_, counts_);
  else
    routes_.route(chunk, routing_block_, counts_);
  find_receipts(chunk);
  const Result<Offset> offset =
      journal_.append(chunk.view(), {routes_.id(), routing_block_}, receipts_);
  if (!offset) return std::unexpected(offset.error());
  appended_.add(chunk.records.size());
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] != 0) {
      outputs_[i].metrics->routed.add(counts_[i]);
      outputs_[i].metrics->routed_bytes.add(chunk.body.size() * counts_[i] / chunk.records.size());
    }
    outputs_[i].arrivals->appended(chunk.body.size(), counts_[i]);
  }
  for (auto& ack : chunk.acks)
    appended_acks_.push_back({std::move(ack), *offset, *offset + chunk.records.size()});
  chunk.acks.clear();
  return {};
}

// Which requests will be stored whole once `chunk` is: nobody holds them but this chunk, and those
// chunks of theirs that are appended already. A request whose records went several ways is complete
// with the last of them.
void Ingest::find_receipts(const Chunk& chunk) {
  receipts_.clear();
  std::vector<const PendingAck*> appended;  // sorted; only needed where requests are spread
  for (const auto& ack : chunk.acks) {
    if (ack->failed() || ack->receipt() == Receipt{}) continue;
    long holders = ack.use_count();
    if (holders > 1 && !appended_acks_.empty()) {
      if (appended.empty()) {
        for (const AppendedAck& earlier : appended_acks_) appended.push_back(earlier.ack.get());
        std::ranges::sort(appended);
      }
      holders -= std::ranges::ssize(std::ranges::equal_range(appended, ack.get()));
    }
    if (holders == 1) receipts_.push_back(ack->receipt());
  }
}

bool Ingest::stored_before(const Receipt& receipt) const {
  return std::ranges::binary_search(stored_before_, receipt);
}

bool Ingest::commit() {
  if (appended_acks_.empty()) return true;
  if (const Status committed = journal_.commit(); !committed) {
    log_trouble(committed.error());
    pause();
    return false;
  }
  for (const AppendedAck& appended : appended_acks_) {
    if (journal_.lost_before_sync(appended.from, appended.to)) appended.ack->fail();
  }
  appended_acks_.clear();  // the last holder acknowledges
  return true;
}

// The end: nobody will commit any more. Who sent it must send it again.
void Ingest::fail_appended() {
  for (const AppendedAck& appended : appended_acks_) appended.ack->fail();
  appended_acks_.clear();
}

void Ingest::pause() {
  if (!paused_.exchange(true)) retry_later();
}

void Ingest::hold(Chunk& chunk, std::optional<size_t> output) {
  stalled_bytes_ += chunk.body.size();
  stalled_.emplace_back().output = output;
  std::swap(stalled_.back().chunk, chunk);
  chunk.clear();
  pause();
}

void Ingest::retry_later() {
  retry_timer_.expires_after(kStalledRetryInterval);
  retry_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) retry_stalled();
  });
}

void Ingest::retry_stalled() {
  while (!stalled_.empty()) {
    const Status appended = append(stalled_.front().chunk, stalled_.front().output);
    if (!appended && appended.error().code == ErrorCode::InvalidArgument) {
      refuse(stalled_.front().chunk, appended.error());
    } else if (!appended) {
      log_trouble(appended.error());
      break;
    }
    stalled_bytes_ -= stalled_.front().chunk.body.size();
    stalled_.pop_front();
  }
  const bool committed = commit();
  // Each call gives the journal an occasion to repair itself, also when nobody waits for an ack.
  if (journal_.failed()) static_cast<void>(journal_.commit().has_value());
  if (!stalled_.empty() || !committed || journal_.failed()) return retry_later();
  paused_.store(false);
  log_info("ingest", "the journal takes records again, inputs go on reading");
  std::vector<std::function<void()>> resumed;
  resumed.swap(resumed_);
  for (const auto& callback : resumed) callback();
}

void Ingest::when_resumed(std::function<void()> resumed) { resumed_.push_back(std::move(resumed)); }

// Nearly full: debug and below go from four fifths on, info and notice from nine tenths on. What is
// dropped is counted for every output that would have taken it.
void Ingest::shed_least_severe(Chunk& chunk) {
  const uint64_t bytes = journal_.bytes(), limit = journal_.bytes_max();
  if (bytes < limit / 10 * 8) return;
  const Severity keep_from = bytes < limit / 10 * 9 ? Severity::Info : Severity::Warn;
  infer_severities(chunk.records, chunk.body);
  const size_t before = chunk.records.size();
  Chunk dropped = chunk;
  dropped.acks.clear();
  const auto kept = [&](const std::vector<RecordEntry>& records, uint32_t index) {
    return records[index].severity >= keep_from || records[index].severity == Severity::Unknown;
  };
  const std::vector<RecordEntry> entries = chunk.records;
  keep_records(chunk, [&](uint32_t index) { return kept(entries, index); });
  if (chunk.records.size() == before) return;
  keep_records(dropped, [&](uint32_t index) { return !kept(entries, index); });
  routes_.route(dropped, routing_block_, counts_);
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (routes_.routes()[i].processed && routes_.select_for_copy(dropped, i, selected_))
      counts_[i] = selected_.count();
  }
  for (size_t i = 0; i < counts_.size(); ++i) {
    outputs_[i].metrics->routed.add(counts_[i]);  // chosen for it, though not stored
    outputs_[i].metrics->drop(DropReason::JournalFull).add(counts_[i]);
  }
  if (const uint64_t times = shed_episode_.admit()) {
    log_error("ingest", "LOST {} records below {}: the journal is nearly full ({} times)",
              dropped.records.size(), to_string(keep_from), times);
  }
}

void Ingest::start() {
  // A journal that failed before the restart: what comes in could not be promised.
  if (journal_.failed()) pause();
  tick();
}

void Ingest::tick() {
  last_tick_ns_.store(system_clock().monotonic().time_since_epoch().count(),
                      std::memory_order_relaxed);
  if (!stored_before_.empty() && system_clock().monotonic() - started_ > kReceiptAge) {
    stored_before_ = {};
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    StageOutput emitter(*this, i, 0, stages_[i].output, stages_[i].input.value_or(kNoInput));
    stages_[i].filter->on_tick(emitter, *stages_[i].metrics);
  }
  run_emitted();
  commit();
  tick_timer_.expires_after(Seconds(1));
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Ingest::finish() {
  tick_timer_.cancel();
  retry_timer_.cancel();
  flush_filters(std::vector<bool>(stages_.size(), true));
  while (!stalled_.empty()) {
    Waiting& next = stalled_.front();
    if (const Status appended = append(next.chunk, next.output); !appended) {
      log_error("ingest", "LOST {} records that were received but cannot be stored: {}",
                next.chunk.records.size(), appended.error().message);
      refused_.add(next.chunk.records.size());
      for (const auto& ack : next.chunk.acks) ack->fail();
    }
    stalled_.pop_front();
  }
  stalled_bytes_ = 0;
  if (!commit()) fail_appended();
  retry_timer_.cancel();  // commit() may have set it
  resumed_.clear();
}

void Ingest::flush_filters(const std::vector<bool>& which) {
  bool more = true;
  for (uint32_t round = 0; more && round <= kRestartsMax; ++round) {
    more = false;
    for (size_t i = 0; i < stages_.size(); ++i) {
      if (!which[i]) continue;
      StageOutput emitter(*this, i, round, stages_[i].output, stages_[i].input.value_or(kNoInput));
      stages_[i].filter->flush(emitter, *stages_[i].metrics);
      more = more || !emitted_.empty();
      run_emitted();
    }
  }
}

void Ingest::hand_over(Ingest& successor) {
  tick_timer_.cancel();
  retry_timer_.cancel();
  std::vector<FilterStage*> heirs;
  std::vector<bool> ends;
  for (const FilterStage& stage : stages_) {
    const auto heir =
        std::find_if(successor.stages_.begin(), successor.stages_.end(),
                     [&](const FilterStage& other) { return other.metrics == stage.metrics; });
    heirs.push_back(heir == successor.stages_.end() ? nullptr : &*heir);
    ends.push_back(heirs.back() == nullptr);
  }
  flush_filters(ends);
  commit();
  retry_timer_.cancel();  // commit() may have set it
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (heirs[i] != nullptr) std::swap(heirs[i]->filter, stages_[i].filter);
  }
  // What waits has passed the filters: only its numbers of inputs and outputs mean others now.
  const auto renumber = [](const auto& from, const auto& to,
                           size_t number) -> std::optional<size_t> {
    if (number >= from.size()) return std::nullopt;
    const auto found = std::find(to.begin(), to.end(), from[number]);
    if (found == to.end()) return std::nullopt;
    return static_cast<size_t>(found - to.begin());
  };
  for (Waiting& next : stalled_) {
    next.chunk.input = static_cast<uint16_t>(
        renumber(inputs_, successor.inputs_, next.chunk.input).value_or(kNoInput));
    if (next.output) {
      next.output = renumber(outputs_, successor.outputs_, *next.output);
      if (!next.output) continue;  // a copy for an output that is gone; the record itself is stored
    }
    successor.stalled_bytes_ += next.chunk.body.size();
    successor.stalled_.push_back(std::move(next));
  }
  stalled_.clear();
  successor.appended_acks_ = std::move(appended_acks_);  // empty, unless commit() failed
  successor.resumed_ = std::move(resumed_);
  successor.paused_.store(paused_.load());
  if (successor.paused_.load()) successor.retry_later();
  successor.stored_before_ = std::move(stored_before_);
  successor.started_ = started_;
  successor.appended_.add(appended_.get());
  successor.refused_.add(refused_.get());
}

void Ingest::log_trouble(const Error& error) {
  if (const uint64_t times = trouble_episode_.admit()) {
    log_warn("ingest", "inputs stop reading until the journal takes records again: {} ({} times)",
             error.message, times);
  }
}

}  // namespace noroshi
