// Reading files, turn by turn on the ingest thread.
//
// A file that may have more is queued; the loop takes one file after the other, reads one buffer of
// each and hands its lines on as one chunk, so that no file starves another and nothing else on the
// loop waits for long. The chunk holds an ack that tells when its lines are stored; only then, and
// only without a gap before it, a file's offset is written.
//
// What there is to do comes from two sides. inotify wakes us at once, and only that: every event
// means "look". A slow tick looks at every file by itself, so that a missed event, an exhausted
// inotify limit or a file system without it cost time and never lines; except those of a file that
// was made and renamed between two looks, whose name only inotify can tell.
#include <sys/stat.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <set>

#include "base/log.h"
#include "input/single_source.h"
#include "input/tail/change_watch.h"
#include "input/tail/line_records.h"
#include "input/tail/offset_store.h"
#include "input/tail/tail.h"
#include "input/tail/tailed_file.h"

namespace noroshi {
namespace {

using tail::ChangeWatch;
using tail::FileId;
using tail::LineRecords;
using tail::OffsetStore;
using tail::StoredOffset;
using tail::TailedFile;
using tail::TailedFiles;

constexpr Milliseconds kTickWithInotify{1000};
constexpr Milliseconds kTickAlone{250};
constexpr Milliseconds kQuiet{500};  // nothing read for so long: not busy
// Looking through the patterns may take a twentieth of the time at most.
constexpr int kScanTimeShare = 20;
constexpr Nanoseconds kLastReads = Seconds(2);  // shutdown: what the application still wrote
// Offsets of files that are not open, before those that have vanished are looked for.
constexpr size_t kSpareOffsets = 1024;
// Renamed while nobody ran: so many names of a directory are looked at.
constexpr size_t kNamesLookedAt = 10'000;

// "app.log" and what rotation makes of it: "app.log.1", "app-20261123.log".
bool is_rotated_name(std::string_view path, std::string_view rotated) {
  path.remove_prefix(path.rfind('/') + 1);
  rotated.remove_prefix(rotated.rfind('/') + 1);
  return rotated.starts_with(path.substr(0, path.find('.')));
}

class TailInput final : public Input {
 public:
  TailInput(TailOptions options, std::string name, const Clock& clock)
      : options_(std::move(options)),
        name_(std::move(name)),
        log_name_("input:" + name_),
        clock_(clock),
        buffer_(new char[options_.read_bytes]) {}
  // Filters let go of their last records, and of our acks, after close().
  ~TailInput() override { flush_offsets(); }

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    return {};
  }

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    source_.emplace(*loop_, sink, metrics, log_name_, [this] {
      if (hand_on()) pump_soon();
    });
    records_.emplace(options_, files_, metrics, clock_, log_name_);
    tick_timer_.emplace(*loop_);
    scan_timer_.emplace(*loop_);
    open_offsets();
    if (options_.inotify) open_watch();
    first_scan_ = true;
    scan();
    find_renamed();
    first_scan_ = false;
    if (files_.empty()) log_info(log_name_, "no file matches yet; new ones are read as they come");
    tick();
  }

  bool busy() const override {
    return source_ && !closed_ &&
           (source_->waiting() || !queue_.empty() || clock_.monotonic() - last_read_ < kQuiet);
  }
  bool ended() const override { return ended_; }

  void close() override {
    if (closed_ || !source_) return;
    closing_ = true;
    const Monotonic until = clock_.monotonic() + kLastReads;
    bool takes = source_->close() && hand_on_finally();
    for (const auto& [id, file] : files_) enqueue(*file);
    while (takes && !queue_.empty() && clock_.monotonic() < until) {
      turn();
      takes = hand_on_finally();
    }
    if (takes && options_.joiner) {
      records_->release_all();
      (void)hand_on_finally();
    }
    flush_offsets();
    closed_ = true;
    tick_timer_->cancel();
    scan_timer_->cancel();
    watch_.reset();
  }

 private:
  // ---- Files ----

  void open_offsets() {
    if (options_.offsets_file.empty()) return;
    auto store = OffsetStore::open(options_.offsets_file);
    if (store) {
      offsets_ = *std::move(store);
    } else {
      log_error(log_name_, "offsets are not kept across a restart: {}", store.error().message);
    }
  }

  void scan() {
    last_scan_ = clock_.monotonic();
    for (const std::string& path : tail::matching_files(options_.paths, options_.excluded)) {
      consider(path);
    }
    scan_took_ = clock_.monotonic() - last_scan_;
    for (const auto& [id, file] : files_) note_rotation(*file);
    if (offsets_.entries().size() > files_.size() + kSpareOffsets) forget_vanished();
  }

  // A file of a name that matches: is it new, and young enough?
  void consider(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode)) return;
    if (files_.contains({status.st_dev, status.st_ino})) return;
    if (options_.ignore_older > Nanoseconds(0) &&
        Timestamp(Seconds(status.st_mtim.tv_sec)) + options_.ignore_older < clock_.wall()) {
      return;
    }
    add(path);
  }

  // A file that had a name of ours, has another now, and is not open: `id` is at `to`.
  bool add_renamed(const std::string& from, const std::string& to, FileId id) {
    add(to);
    const auto added = files_.find(id);
    if (added == files_.end()) return false;
    added->second->rotated_at = clock_.monotonic();
    if (auto tag = options_.tag.of(from)) added->second->tag = *tag;
    return true;
  }

  void add(const std::string& path) {
    if (files_.size() >= options_.files_max) {
      if (const auto times = log_files_.admit()) {
        log_error(log_name_, "{} files are open, {} must wait until one is closed ({} times)",
                  files_.size(), path, times);
      }
      return;
    }
    auto opened = TailedFile::open(path);
    if (!opened) {
      if (const auto times = log_files_.admit())
        log_warn(log_name_, "{} ({} times)", opened.error().message, times);
      return;
    }
    const std::shared_ptr<TailedFile> file = *std::move(opened);
    const auto tag = options_.tag.of(path);
    if (!tag) {
      if (const auto times = log_tags_.admit()) {
        log_error(log_name_, "tag_regex does not match {}: it is not read ({} times)", path, times);
      }
      return;
    }
    file->tag = *tag;
    file->set_position(first_position(*file));
    file->line_begin = file->position();
    file->stored_moved = [this](TailedFile& moved) { note_stored(moved); };
    watch(*file);
    files_.emplace(file->id(), file);
    note_stored(*file);
    log_debug(log_name_, "{} is read from position {}", path, file->position());
    if (file->has_more()) enqueue(*file);
  }

  uint64_t first_position(TailedFile& file) {
    if (const StoredOffset* known = offsets_.find(file.id())) {
      if (file.begins_as(*known)) return known->position;
      return 0;  // its inode was used again, or it was cut
    }
    // The same file behind another device number: volumes are numbered anew.
    for (const auto& [id, known] : offsets_.entries()) {
      if (id.inode != file.id().inode || known.path != file.path()) continue;
      const StoredOffset copy = known;
      if (copy.head_bytes == 0 || !file.begins_as(copy)) continue;
      offsets_.forget(id);
      return copy.position;
    }
    // With offsets of a former run an unknown file is new since then.
    const bool from_head = first_scan_ && !offsets_.had_former_run() ? options_.read_from_head
                                                                     : options_.read_new_from_head;
    return from_head || options_.exit_on_eof ? 0 : file.size();
  }

  // What is where, of the directories of files we have offsets of.
  std::map<FileId, std::string> files_beside_known_ones() const {
    std::set<std::string> directories;
    for (const auto& [id, known] : offsets_.entries()) {
      if (!files_.contains(id)) directories.insert(known.path.substr(0, known.path.rfind('/') + 1));
    }
    std::map<FileId, std::string> found;
    for (const std::string& directory : directories) {
      if (directory.empty()) continue;
      for (const std::string& path : tail::matching_files({directory + "*"}, {})) {
        struct stat status{};
        if (found.size() >= kNamesLookedAt) break;
        if (::stat(path.c_str(), &status) == 0)
          found.emplace(FileId{status.st_dev, status.st_ino}, path);
      }
    }
    return found;
  }

  // Rotated while nobody ran: a file whose offset we have, under a name that does not match. The
  // others that are not open are forgotten, unless they are only waiting for something new.
  void find_renamed() {
    const std::map<FileId, std::string> present = files_beside_known_ones();
    const std::map<FileId, StoredOffset> entries = offsets_.entries();
    for (const auto& [id, known] : entries) {
      const auto found = present.find(id);
      if (files_.contains(id) || found == present.end()) continue;
      struct stat status{};
      if (::stat(found->second.c_str(), &status) != 0) continue;
      // Empty when it was last seen: only its inode, which may be used again, and its name tell.
      if (known.head_bytes == 0 && !is_rotated_name(known.path, found->second)) continue;
      if (static_cast<uint64_t>(status.st_size) <= known.position) continue;
      if (!add_renamed(known.path, found->second, id)) continue;
      log_info(log_name_, "{} was renamed to {} while nobody read it: its rest is read", known.path,
               found->second);
    }
    forget_vanished();
  }

  void forget_vanished() {
    const std::map<FileId, std::string> present = files_beside_known_ones();
    const std::map<FileId, StoredOffset> entries = offsets_.entries();
    for (const auto& [id, known] : entries) {
      if (!files_.contains(id) && !present.contains(id)) offsets_.forget(id);
    }
    flush_offsets();
  }

  // The name belongs to another file now, or to none.
  void note_rotation(TailedFile& file) {
    if (file.rotated_at) return;
    struct stat status{};
    const bool same = ::stat(file.path().c_str(), &status) == 0 &&
                      FileId{status.st_dev, status.st_ino} == file.id();
    if (same) return;
    file.rotated_at = clock_.monotonic();
    scan_soon();
  }

  void remove(TailedFile& file) {
    const FileId id = file.id();
    if (watch_) watch_->unwatch(file);
    if (file.deleted()) offsets_.forget(id);
    note_offsets_changed();
    log_debug(log_name_, "{} is closed", file.path());
    files_.erase(id);
  }

  // ---- What may have happened ----

  void tick() {
    if (closed_) return;
    const Monotonic now = clock_.monotonic();
    std::vector<std::shared_ptr<TailedFile>> files;
    for (const auto& [id, file] : files_) files.push_back(file);
    bool all_at_end = true;
    for (const auto& file : files) {
      look(*file);
      note_rotation(*file);
      all_at_end = all_at_end && !file->has_more() && !file->queued;
      const bool finished = file->rotated_at && now - *file->rotated_at >= options_.rotate_wait &&
                            !file->has_more() && !file->queued && !file->waits_for_journal() &&
                            !source_->waiting();
      // Its last lines may still be on their way then: it goes at the next tick.
      if (finished && !take_last_line(*file)) remove(*file);
    }
    if (options_.joiner && !source_->waiting()) {
      records_->release_expired();
      (void)hand_on();
    }
    if (now - last_scan_ >= options_.refresh_interval) scan();
    flush_offsets();
    if (options_.exit_on_eof && all_at_end && !files_.empty() && !source_->waiting())
      finish_reading();
    tick_timer_->expires_after(watch_ ? kTickWithInotify : kTickAlone);
    tick_timer_->async_wait([this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
      if (!error && !still.expired()) tick();
    });
  }

  void finish_reading() {
    for (const auto& [id, file] : files_) {
      if (source_->waiting()) return;  // the next tick goes on
      (void)take_last_line(*file);
    }
    if (hand_on()) ended_ = true;
  }

  void look(TailedFile& file) {
    if (source_->waiting()) return;  // the tick looks again
    if (!file.look()) {
      log_info(log_name_, "{} was cut: it is read from its start", file.path());
      records_->release(file);
      file.start_again();
      note_stored(file);
    }
    if (file.has_more()) enqueue(file);
  }

  void scan_soon() {
    if (closing_ || std::exchange(scan_armed_, true)) return;
    // At once, unless that is expensive: a file may be rotated away soon after it was made.
    scan_timer_->expires_after(
        std::max(last_scan_ + kScanTimeShare * scan_took_ - clock_.monotonic(), Nanoseconds(0)));
    scan_timer_->async_wait([this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
      if (error || still.expired() || closed_) return;
      scan_armed_ = false;
      scan();
    });
  }

  void open_watch() {
    auto opened =
        ChangeWatch::open(*loop_, tail::directories_of(options_.paths),
                          {.appeared = [this](const std::string& path) { note_name(path); },
                           .renamed = [this](const std::string& from,
                                             const std::string& to) { note_rename(from, to); },
                           .changed = [this](FileId id, bool moved) { note_change(id, moved); }});
    if (opened) {
      watch_ = *std::move(opened);
    } else {
      log_warn(log_name_, "inotify is not available ({}): files are looked at every {} ms",
               opened.error().message, kTickAlone.count());
    }
  }

  void note_name(const std::string& path) {
    if (path.empty()) return scan_soon();
    if (tail::matches(options_.paths, options_.excluded, path)) consider(path);
  }

  // Of a file that is open, its own watch tells. Another one had a name of ours for so short a time
  // that nobody looked.
  void note_rename(const std::string& from, const std::string& to) {
    if (tail::matches(options_.paths, options_.excluded, to)) return consider(to);
    struct stat status{};
    if (!tail::matches(options_.paths, options_.excluded, from) ||
        ::stat(to.c_str(), &status) != 0 || S_ISDIR(status.st_mode))
      return;
    const FileId id{status.st_dev, status.st_ino};
    if (!files_.contains(id)) (void)add_renamed(from, to, id);
  }

  void note_change(FileId id, bool moved) {
    const auto file = files_.find(id);
    if (file == files_.end()) return;
    look(*file->second);
    if (moved) note_rotation(*file->second);
  }

  void watch(TailedFile& file) {
    if (!watch_) return;
    const Status watched = watch_->watch(file);
    if (watched) return;
    if (const auto times = log_watches_.admit()) {
      log_warn(log_name_,
               "{}: no more inotify watches ({}); it is looked at every {} ms ({} times)",
               file.path(), watched.error().message, kTickWithInotify.count(), times);
    }
  }

  // ---- Reading ----

  void enqueue(TailedFile& file) {
    if (std::exchange(file.queued, true)) return;
    queue_.push_back(file.id());
    pump_soon();
  }

  void pump_soon() {
    if (closing_ || pump_posted_ || queue_.empty() || source_->waiting()) return;
    pump_posted_ = true;
    boost::asio::post(*loop_, [this, still = std::weak_ptr(alive_)] {
      if (still.expired() || closing_) return;
      pump_posted_ = false;
      if (!source_->waiting() && !queue_.empty()) turn();
      pump_soon();
    });
  }

  // One buffer of the first file in the queue.
  void turn() {
    const auto found = files_.find(queue_.front());
    queue_.pop_front();
    if (found == files_.end()) return;
    TailedFile& file = *found->second;
    file.queued = false;
    const auto count = file.read(buffer_.get(), options_.read_bytes);
    if (!count) {
      if (const auto times = log_read_.admit())
        log_error(log_name_, "{} ({} times)", count.error().message, times);
      return;
    }
    if (*count == 0) return;
    last_read_ = clock_.monotonic();
    records_->take(file, {buffer_.get(), *count});
    // Whether there is more is known when a read comes back short; else the next turn finds out.
    const bool more = *count == options_.read_bytes || file.has_more();
    if (more) enqueue(file);
    (void)hand_on();
  }

  bool take_last_line(TailedFile& file) {
    const bool any = records_->take_last_line(file);
    (void)hand_on();
    return any;
  }

  // False: the sink is full, and calls again.
  bool hand_on() { return records_->hand_on(*source_); }

  // Shutdown: each chunk gets one more try. False: the journal takes nothing.
  bool hand_on_finally() {
    while (!hand_on()) {
      if (!source_->close()) return false;
    }
    return true;
  }

  // ---- Offsets ----

  void note_stored(TailedFile& file) {
    offsets_.set(file.id(), file.stored_offset());
    note_offsets_changed();
  }
  void note_offsets_changed() {
    if (closing_ || std::exchange(flush_posted_, true)) return;
    // After everything that is being stored now: one write for all files of this turn.
    boost::asio::post(*loop_, [this, still = std::weak_ptr(alive_)] {
      if (still.expired()) return;
      flush_posted_ = false;
      flush_offsets();
    });
  }
  void flush_offsets() {
    if (const Status flushed = offsets_.flush(); !flushed) {
      if (const auto times = log_offsets_.admit()) {
        log_error(log_name_, "{}: after a restart lines are read again ({} times)",
                  flushed.error().message, times);
      }
    }
  }

  TailOptions options_;
  const std::string name_, log_name_;
  const Clock& clock_;
  boost::asio::io_context* loop_ = nullptr;
  std::optional<SingleSource> source_;
  std::optional<boost::asio::steady_timer> tick_timer_, scan_timer_;
  std::unique_ptr<ChangeWatch> watch_;  // null: not available
  OffsetStore offsets_;
  TailedFiles files_;
  std::optional<LineRecords> records_;
  std::deque<FileId> queue_;
  std::unique_ptr<char[]> buffer_;
  Monotonic last_scan_{}, last_read_{};
  Nanoseconds scan_took_{};
  bool first_scan_ = false, scan_armed_ = false, pump_posted_ = false, flush_posted_ = false;
  bool closing_ = false, closed_ = false;
  std::atomic<bool> ended_ = false;
  LogEpisode log_files_, log_tags_, log_watches_, log_read_, log_offsets_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Input> make_tail(TailOptions options, std::string instance_name,
                                 const Clock& clock) {
  return std::make_unique<TailInput>(std::move(options), std::move(instance_name), clock);
}

}  // namespace noroshi
