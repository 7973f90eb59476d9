// Every folder of tests/golden/config/ is one configuration: input.conf or input.yaml (and files it
// includes), perhaps `environment` with NAME=VALUE lines, and expected.txt with the document and
// the diagnostics it must give. UPDATE_GOLDEN=1 rewrites expected.txt: read the diff before you
// commit it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/config_file.h"
#include "config/parse_config.h"
#include "config/service.h"

namespace noroshi {
namespace {

const std::filesystem::path kCases =
    std::filesystem::path(NOROSHI_SOURCE_DIR) / "tests/golden/config";

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kCases))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

void dump(std::string& out, const Section& section, const std::string& indent) {
  out += fmt::format("{}{} [{}] {}\n", indent, to_string(section.kind), section.title,
                     section.where.to_string());
  for (const Property& property : section.properties) {
    for (const PropertyValue& value : property.values) {
      out += fmt::format("{}  {} = {}{} ({}:{})\n", indent, property.name, value.text,
                         value.expanded ? " (expanded)" : "", value.where.line, value.where.column);
    }
  }
  for (const Section& child : section.children) dump(out, child, indent + "  ");
}

std::string actual_text(const std::filesystem::path& folder) {
  std::map<std::string, std::string> environment;
  std::ifstream file(folder / "environment");
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    environment[line.substr(0, equals)] = line.substr(equals + 1);
  }
  const EnvironmentLookup lookup = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  Diagnostics diagnostics;
  const bool yaml = std::filesystem::exists(folder / "input.yaml");
  const Document document = parse_config_file(
      folder / (yaml ? "input.yaml" : "input.conf"), diagnostics,
      {.environment = lookup, .working_directory = "/nonexistent", .variables = {}});
  static_cast<void>(parse_service(document, diagnostics, lookup));
  std::string out;
  for (const Section& section : document.sections) dump(out, section, "");
  for (const auto& [name, value] : document.environment)
    out += fmt::format("set {} = {}\n", name, value);
  out += "----\n" + diagnostics.render();
  // Paths relative to the case, so that the text does not depend on where the checkout is.
  const std::string prefix = folder.string() + "/";
  for (size_t at = out.find(prefix); at != std::string::npos; at = out.find(prefix, at))
    out.erase(at, prefix.size());
  return out;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsReadAsExpected) {
  const std::filesystem::path folder = kCases / GetParam();
  const std::string actual = actual_text(folder);
  const std::string path = folder / "expected.txt";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << actual;
    return;
  }
  const Result<std::string> expected = read_config_file(path, 1 << 20);
  ASSERT_TRUE(expected.has_value()) << expected.error().message;
  EXPECT_EQ(actual, *expected);
}

INSTANTIATE_TEST_SUITE_P(Config, Golden, testing::ValuesIn(cases()), [](const auto& instance) {
  std::string name = instance.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// ECS's generated texts are plain: nothing in them may be worth an error or a warning.
TEST(GoldenSet, GeneratedAndSpecifiedConfigurationsAreClean) {
  size_t count = 0;
  for (const std::string& name : cases()) {
    if (!name.starts_with("ecs-") && name != "specified") continue;
    ++count;
    EXPECT_THAT(actual_text(kCases / name), testing::EndsWith("----\n")) << name;
  }
  EXPECT_GE(count, 10u);
}

}  // namespace
}  // namespace noroshi
