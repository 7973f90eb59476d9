// Runs work on the ingest thread and waits for it. Not from the ingest thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <type_traits>

namespace noroshi {

template <typename Work>
auto on_loop(boost::asio::io_context& loop, Work&& work) -> decltype(work()) {
  std::promise<decltype(work())> done;
  boost::asio::post(loop, [&] {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      done.set_value();
    } else {
      done.set_value(work());
    }
  });
  return done.get_future().get();
}

}  // namespace noroshi
