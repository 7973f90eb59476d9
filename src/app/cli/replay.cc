// `noroshi journal replay-dead-letters`: sends the records of dead-letter files to a running router
// again, by the Forward protocol with acks, as `noroshi ship` sends lines.
//
// A file is renamed only when all of its records are acknowledged. Each record's ack id is made
// from its line: an input that has stored a part of a file recognises that part when the file is
// replayed to it again (within the bounds of receipts: docs/reliability.md).
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "app/cli/verbs.h"
#include "app/ship/send_queue.h"
#include "app/ship/sender.h"
#include "base/fingerprint.h"
#include "pipeline/dead_letter_line.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr size_t kBlockBytes = 256 << 10;  // of frames handed over at once
// What waits to be sent: a file may be larger than memory.
constexpr ship::SendQueueLimits kQueueLimits{
    .records = 16'384, .bytes = 4 << 20, .drop_when_full = false};

struct Counts {
  uint64_t bytes = 0, read = 0, other_reason = 0, unreadable = 0, sent = 0;
};

// "HOST:PORT", "[::1]:PORT" or "unix:PATH".
Result<ship::Destination> parse_destination(const std::string& text) {
  ship::Destination destination;
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    destination.unix_path = text.substr(kUnix.size());
    if (!destination.unix_path.empty()) return destination;
  }
  const size_t colon = text.rfind(':');
  const char* const end = text.data() + text.size();
  if (colon != std::string::npos && colon > 0) {
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, destination.port);
    destination.host = text.substr(0, colon);
    if (destination.host.starts_with('[') && destination.host.ends_with(']'))
      destination.host = destination.host.substr(1, destination.host.size() - 2);
    if (error == std::errc() && stop == end && destination.port != 0 && !destination.host.empty())
      return destination;
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("\"{}\" is not HOST:PORT or unix:PATH", text));
}

class Replay {
 public:
  Replay(const ReplayArguments& arguments, const ship::Destination& destination)
      : arguments_(arguments), queue_(kQueueLimits), sender_(queue_, destination, true) {}

  // False if the file cannot be read.
  bool read(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) take(path, line);
    if (file.bad() || !file.eof()) return false;
    hand_over();
    queue_.finish();
    sender_.join();
    return true;
  }
  void limit(Monotonic deadline) { sender_.finish_by(deadline); }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] uint64_t acknowledged() const { return sender_.sent(); }

 private:
  void take(const std::string& path, const std::string& line) {
    counts_.bytes += line.size() + 1;
    if (line.empty()) return;
    ++counts_.read;
    const std::optional<DeadLetter> letter = reader_.read(line);
    if (!letter) {
      if (counts_.unreadable++ == 0) {
        std::fprintf(stderr, "%s: line %llu is no dead letter with tag, time and record\n",
                     path.c_str(), static_cast<unsigned long long>(counts_.read));
      }
      return;
    }
    if (!arguments_.reason.empty() && letter->reason != arguments_.reason) {
      ++counts_.other_reason;
      return;
    }
    Fingerprint fingerprint;
    fingerprint.add(line);
    const std::string ack_id =
        fmt::format("dead-letter-{:016x}-{}", fingerprint.value(), line.size());
    const size_t before = block_.bytes.size();
    MsgpackWriter writer(block_.bytes);
    writer.array_header(4);
    writer.string(letter->tag);
    writer.time(letter->time);
    writer.raw(letter->record);
    writer.map_header(1);
    writer.string("chunk"), writer.string(ack_id);
    block_.sizes.push_back(static_cast<uint32_t>(block_.bytes.size() - before));
    block_.ack_ids.push_back(ack_id);
    ++counts_.sent;
    if (block_.bytes.size() >= kBlockBytes) hand_over();
  }

  void hand_over() {
    if (!block_.sizes.empty()) queue_.push(std::exchange(block_, {}));
  }

  const ReplayArguments& arguments_;
  ship::SendQueue queue_;
  ship::Sender sender_;
  ship::FrameBlock block_;
  DeadLetterReader reader_;
  Counts counts_;
};

// True if everything of the file that was asked for is acknowledged.
bool replay_file(const ReplayArguments& arguments, const ship::Destination& destination,
                 const std::string& path) {
  Replay replay(arguments, destination);
  replay.limit(system_clock().monotonic() + Seconds(arguments.timeout_seconds));
  if (!replay.read(path)) {
    std::fprintf(stderr, "noroshi journal: %s cannot be read\n", path.c_str());
    return false;
  }
  const Counts& counts = replay.counts();
  const bool all = replay.acknowledged() == counts.sent && counts.unreadable == 0;
  std::error_code error;
  if (all && std::filesystem::file_size(path, error) != counts.bytes) {
    std::printf("%s grew while it was read; it stays: replay it again\n", path.c_str());
    return false;
  }
  std::string text = fmt::format("{}: {} dead letters, {} sent, {} acknowledged", path, counts.read,
                                 counts.sent, replay.acknowledged());
  if (counts.other_reason > 0) text += fmt::format(", {} of another reason", counts.other_reason);
  if (counts.unreadable > 0) text += fmt::format(", {} unreadable", counts.unreadable);
  if (!all || counts.other_reason > 0) {
    std::printf("%s; the file stays\n", text.c_str());
    return all;
  }
  const std::string replayed = path + ".replayed";
  // An earlier replay's file of the same name is kept.
  std::string name = replayed;
  for (int number = 1; std::filesystem::exists(name); ++number)
    name = fmt::format("{}.{}", replayed, number);
  std::filesystem::rename(path, name, error);
  if (error) {
    std::printf("%s\n", text.c_str());
    std::fprintf(stderr, "noroshi journal: %s cannot be renamed: %s\n", path.c_str(),
                 error.message().c_str());
    return false;
  }
  std::printf("%s; renamed to %s\n", text.c_str(), name.c_str());
  return true;
}

}  // namespace

int journal_replay_dead_letters(const ReplayArguments& arguments) {
  const Result<ship::Destination> destination = parse_destination(arguments.to);
  if (!destination) {
    std::fprintf(stderr, "noroshi journal: --to: %s\n", destination.error().message.c_str());
    return 1;
  }
  bool all = true;
  for (const std::string& path : arguments.files)
    all = replay_file(arguments, *destination, path) && all;
  return all ? 0 : 1;
}

}  // namespace noroshi
