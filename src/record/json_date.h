// The date of a record in JSON, for the writer of whole records; others use write_json_date().
#pragma once

#include "record/json_writer.h"
#include "record/output_buffer.h"

namespace noroshi {

// Makes its own room. Keeps the text of the last second, by thread: most records follow one of the
// same second.
void put_date(OutputBuffer& out, JsonDateFormat format, Timestamp time);

}  // namespace noroshi
