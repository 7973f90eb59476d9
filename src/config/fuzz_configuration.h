// For fuzzing: a configuration in either format from arbitrary bytes, with variables, and what must
// hold whatever it says.
#pragma once

#include <cstdint>
#include <string>

#include "base/check.h"
#include "config/classic.h"
#include "config/service.h"

namespace noroshi {

// `parse`: parse_classic_text or parse_yaml_text; `check` gets each section.
template <typename Parse, typename CheckSection>
int fuzz_configuration(const uint8_t* data, size_t size, Parse parse, CheckSection check) {
  constexpr size_t kInputMax = 64 * 1024;
  if (size > kInputMax) return 0;
  std::string text(reinterpret_cast<const char*>(data), size);
  // Without '/' no include leaves this directory, which does not exist.
  for (char& c : text) {
    if (c == '/') c = '_';
  }
  const EnvironmentLookup environment = [](const std::string& name) -> std::optional<std::string> {
    if (name.starts_with('U')) return std::nullopt;
    return name.starts_with('E') ? "" : "value ${" + name + "}";
  };
  Diagnostics diagnostics;
  const ClassicOptions options{
      .environment = environment, .working_directory = "/nonexistent", .variables = {}};
  const Document document = parse("fuzz", std::move(text), diagnostics, options);
  for (const Section& section : document.sections) check(section, diagnostics);
  static_cast<void>(parse_service(document, diagnostics, environment));
  for (const char c : diagnostics.render()) {
    CHECK(static_cast<unsigned char>(c) >= 0x20 || c == '\n', "no control characters");
  }
  return 0;
}

}  // namespace noroshi
