#include "record/valid_record.h"

#include "record/msgpack_reader.h"

namespace noroshi {

bool is_valid_record(std::string_view record) {
  MsgpackReader reader(record);
  const auto type = reader.peek();
  return type && *type == MsgpackType::Map && validate_msgpack(record).has_value();
}

}  // namespace noroshi
