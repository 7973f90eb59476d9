#include "base/thread_name.h"

#include <pthread.h>

namespace noroshi {

std::string thread_name(std::string_view name) {
  if (name.size() <= kThreadNameBytesMax) return std::string(name);
  const size_t dot = name.rfind('.');
  std::string_view number = dot == name.npos ? std::string_view() : name.substr(dot);
  if (number.size() >= kThreadNameBytesMax) number = {};
  return std::string(name.substr(0, kThreadNameBytesMax - number.size())).append(number);
}

void name_this_thread(std::string_view name) {
  ::pthread_setname_np(::pthread_self(), thread_name(name).c_str());
}

}  // namespace noroshi
