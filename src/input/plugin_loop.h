// For tests: an input as its plugin makes it from a section, on a loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostics.h"
#include "input/plugin.h"
#include "input/socket_client.h"
#include "input/test_section.h"
#include "net/listener_registry.h"
#include "parser/parser_registry.h"

namespace noroshi {

using Properties = std::vector<std::pair<std::string, std::string>>;

class PluginLoop : public InputLoop {
 protected:
  explicit PluginLoop(const InputPlugin& plugin) : plugin_(plugin) {
    context_.instance_name = std::string(plugin.name) + ".0";
  }

  std::optional<MadeInput> make(Properties properties) {
    properties.insert(properties.begin(), {"Name", std::string(plugin_.name)});
    return plugin_.make(section_of(properties), context_, diagnostics_);
  }
  void start(Properties properties = {}) {
    auto made = make(std::move(properties));
    ASSERT_TRUE(made) << diagnostics_.render();
    input_ = std::move(made->input);
    const Status bound = input_->bind(loop_);
    ASSERT_TRUE(bound) << bound.error().message;
    input_->start(sink_, metrics_);
  }

  const InputPlugin& plugin_;
  ParserRegistry parsers_;
  ListenerRegistry listeners_;
  InputContext context_{.parsers = parsers_, .listeners = listeners_};
  Diagnostics diagnostics_;
  std::unique_ptr<Input> input_;
};

// One that listens: on a free port of 127.0.0.1, unless the properties say something else.
class ListeningLoop : public PluginLoop {
 protected:
  using PluginLoop::PluginLoop;

  void start(Properties properties = {}) {
    properties.insert(properties.begin(), {{"Listen", "127.0.0.1"}, {"Port", "0"}});
    ASSERT_NO_FATAL_FAILURE(PluginLoop::start(std::move(properties)));
    const std::string address = input_->listening_on();
    if (!address.starts_with("unix:"))
      port_ = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }

  uint16_t port_ = 0;
};

}  // namespace noroshi
