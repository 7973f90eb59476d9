#include "localaws/logs_merge.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

namespace noroshi::localaws {

struct LogMerge::OpenBlock {
  const Source* source;
  std::string bytes;
  std::vector<StoredEvent> events;  // what the query wants, in the direction of reading
  size_t next = 0;

  const StoredEvent& current() const { return events[next]; }
};

LogMerge::LogMerge(const LogQuery& query) : query_(query) {}
LogMerge::~LogMerge() = default;

bool LogMerge::in_range(int64_t timestamp) const {
  return timestamp >= query_.start && timestamp < query_.end;
}

bool LogMerge::already_read(int64_t timestamp, std::string_view stream, uint64_t position) const {
  if (!query_.after) return false;
  const EventKey& after = *query_.after;
  const auto here = std::tuple(timestamp, stream, position);
  const auto there = std::tuple(after.timestamp, std::string_view(after.stream), after.position);
  return query_.backward ? here >= there : here <= there;
}

bool LogMerge::add_stream(std::string_view name, const std::string& path,
                          const std::vector<LogBlock>& blocks) {
  const Source* source = nullptr;
  for (const LogBlock& block : blocks) {
    if (block.last < query_.start || block.first >= query_.end) continue;
    if (query_.after && (query_.backward ? block.first > query_.after->timestamp
                                         : block.last < query_.after->timestamp)) {
      continue;
    }
    if (source == nullptr) {
      UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.valid()) return false;
      source = &sources_.emplace_back(Source{std::string(name), std::move(file)});
    }
    pending_.push_back({block, source});
  }
  return true;
}

Result<std::unique_ptr<LogMerge::OpenBlock>> LogMerge::open_block(const Pending& pending) const {
  auto open = std::make_unique<OpenBlock>();
  open->source = pending.source;
  open->bytes.resize(pending.block.bytes);
  const ssize_t size = ::pread(pending.source->file.get(), open->bytes.data(), open->bytes.size(),
                               static_cast<off_t>(pending.block.position));
  if (size != static_cast<ssize_t>(open->bytes.size())) {
    return fail(ErrorCode::Io, "a stream's file is shorter than its index");
  }
  const bool sound = for_each_event(pending.block, open->bytes, [&](const StoredEvent& event) {
    if (in_range(event.timestamp) &&
        !already_read(event.timestamp, pending.source->name, event.position)) {
      open->events.push_back(event);
    }
  });
  if (!sound) return fail(ErrorCode::Corrupt, "a stream's file does not follow its format");
  if (query_.backward) std::ranges::reverse(open->events);
  return open;
}

bool LogMerge::comes_before(const OpenBlock& a, const OpenBlock& b) const {
  const auto key = [](const OpenBlock& block) {
    return std::tuple(block.current().timestamp, std::string_view(block.source->name),
                      block.current().position);
  };
  return query_.backward ? key(a) > key(b) : key(a) < key(b);
}

Result<LogPage> LogMerge::read() {
  // The block that begins first (in the direction of reading) is at the back.
  std::ranges::sort(pending_, [&](const Pending& a, const Pending& b) {
    return query_.backward ? a.block.last < b.block.last : a.block.first > b.block.first;
  });
  const auto later = [this](const std::unique_ptr<OpenBlock>& a,
                            const std::unique_ptr<OpenBlock>& b) { return comes_before(*b, *a); };
  std::vector<std::unique_ptr<OpenBlock>> heap;
  LogPage page;
  size_t page_bytes = 0;
  uint64_t scanned = 0;
  for (;;) {
    while (!pending_.empty()) {
      const LogBlock& block = pending_.back().block;
      const bool due =
          heap.empty() || (query_.backward ? block.last >= heap.front()->current().timestamp
                                           : block.first <= heap.front()->current().timestamp);
      if (!due) break;
      NOROSHI_ASSIGN(std::unique_ptr<OpenBlock> open, open_block(pending_.back()));
      pending_.pop_back();
      if (open->events.empty()) continue;
      heap.push_back(std::move(open));
      std::ranges::push_heap(heap, later);
    }
    if (heap.empty()) return page;
    const OpenBlock& front = *heap.front();
    const StoredEvent& event = front.current();
    if (page.events.size() == query_.events_max || scanned >= query_.scanned_max ||
        (!page.events.empty() && page_bytes + event.message.size() > query_.bytes_max)) {
      page.complete = false;
      return page;
    }
    scanned += event.message.size() + 1;
    page.last = EventKey{event.timestamp, front.source->name, event.position};
    if (!query_.wants_message || query_.wants_message(event.message)) {
      page_bytes += event.message.size();
      page.events.push_back({*page.last, event.ingestion, std::string(event.message)});
    }
    std::ranges::pop_heap(heap, later);
    if (++heap.back()->next == heap.back()->events.size()) {
      heap.pop_back();
    } else {
      std::ranges::push_heap(heap, later);
    }
  }
}

}  // namespace noroshi::localaws
