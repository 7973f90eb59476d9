// Where the journal lives, first that is usable: [SERVICE] storage.path; NOROSHI_STORAGE_PATH;
// beside the store_dir of the first S3 output; /var/lib/noroshi; else memory. A place the user
// named must work; the others are tried in turn, and the log says why one was passed over.
//
//   <place>/journal      segments and checkpoints
//   <place>/dead-letter  records that were given up
#pragma once

#include <filesystem>
#include <string>

#include "config/classic.h"
#include "config/service.h"
#include "journal/journal.h"

namespace noroshi {

// In memory, where the task has 50 MB in all.
inline constexpr uint64_t kMemoryJournalBytes = 16 << 20;
// On disk without storage.limit: at most this, and at most half of what is free.
inline constexpr uint64_t kDiskJournalBytesMax = 4ull << 30;

struct JournalLocation {
  std::filesystem::path place = {};  // empty: memory
  std::string why = {};              // "storage.path", "beside the S3 store_dir" …

  [[nodiscard]] std::filesystem::path journal() const {
    return place.empty() ? place : place / "journal";
  }
  [[nodiscard]] std::filesystem::path dead_letters() const {
    return place.empty() ? place : place / "dead-letter";
  }
};

// Makes the directory; with `keep_nothing` it only asks whether it could. Problems with a place the
// user named go to `diagnostics`.
[[nodiscard]] JournalLocation find_journal_location(const Document& document,
                                                    const ServiceOptions& service,
                                                    const EnvironmentLookup& environment,
                                                    bool keep_nothing, Diagnostics& diagnostics);

// Sizes, sync mode and policy for that location.
[[nodiscard]] JournalOptions journal_options(const JournalLocation& location,
                                             const ServiceOptions& service);

}  // namespace noroshi
