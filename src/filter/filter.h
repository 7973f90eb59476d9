// Filter: takes a chunk and gives a chunk. Batch at a time: one virtual call per chunk, never per
// record.
//
// A filter may change, drop or add records of `chunk` in place, send records on under another tag
// (FilterOutput::emit), or hold records back (multiline, partial messages). Records it holds keep
// the acks of their chunk (Chunk::acks) until they are emitted. On the ingest thread only; one
// instance per [FILTER] section. The chain skips a filter whose Match does not select the chunk's
// tag.
#pragma once

#include "base/result.h"
#include "metrics/metrics.h"
#include "record/chunk.h"

namespace noroshi {

class FilterOutput {
 public:
  virtual ~FilterOutput() = default;
  // A further chunk (another tag, or released records). It enters the chain after this filter, or
  // at its head when `from_head` (rewrite_tag, as Fluent Bit's emitter does; a record that came
  // back ten times goes on instead, and one warning is logged: a loop). `chunk` is left cleared.
  virtual void emit(Chunk& chunk, bool from_head) = 0;
};

class Filter {
 public:
  virtual ~Filter() = default;
  virtual void apply(Chunk& chunk, FilterOutput& output, FilterMetrics& metrics) = 0;
  // Called about once a second: release what has been held too long.
  virtual void on_tick(FilterOutput&, FilterMetrics&) {}
  // Shutdown: release everything held.
  virtual void flush(FilterOutput&, FilterMetrics&) {}
};

}  // namespace noroshi
