// What Journal::make_reader makes its readers of. Nobody outside src/journal needs it.
#pragma once

#include <atomic>
#include <memory>

#include "base/file_system.h"
#include "base/offset.h"
#include "journal/journal_reader.h"
#include "journal/segment.h"

namespace noroshi {

// All references must outlive the reader.
[[nodiscard]] std::unique_ptr<JournalReader> make_journal_reader(
    FileSystem& files, const SegmentList& segments, const std::atomic<Offset>& appended,
    Offset from);

}  // namespace noroshi
