// Whole configurations through reader, tables and builder with the real plugins, as `noroshi
// check` does it:
//
//   tests/golden/users/     what real users have: the messages and the effective pipeline
//   tests/golden/config/    and those: as YAML they make the same pipeline
//
// UPDATE_GOLDEN=1 rewrites the users' expected.txt: read the diff before you commit it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "app/cli/verbs.h"
#include "app/plugins.h"
#include "aws/credentials.h"
#include "base/log.h"
#include "config/parse_config.h"
#include "config/values.h"
#include "config/yaml.h"
#include "pipeline/pipeline.h"

namespace noroshi {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(NOROSHI_SOURCE_DIR) / "tests/golden";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> cases(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden / folder)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

struct Checked {
  std::string diagnostics;
  std::optional<std::string> pipeline;  // none: it does not load
};

class Checker {
 public:
  explicit Checker(const std::filesystem::path& folder) : folder_(folder) {
    std::istringstream lines(read_text(folder / "environment"));
    for (std::string line; std::getline(lines, line);) {
      const size_t equals = line.find('=');
      if (equals != std::string::npos) variables_[line.substr(0, equals)] = line.substr(equals + 1);
    }
    set_log_level(LogLevel::Off);
  }

  [[nodiscard]] EnvironmentLookup environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      if (name == "NOROSHI_STORAGE_PATH") return std::string();
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
  }
  [[nodiscard]] ClassicOptions options() const {
    return {.environment = environment(), .working_directory = folder_, .variables = {}};
  }

  Checked check(const Document& document, Diagnostics& diagnostics) const {
    AwsEnvironment aws = aws_process_environment();
    aws.variable = [](std::string_view) { return std::nullopt; };
    const auto pipeline = Pipeline::build(document,
                                          {.plugins = all_plugins(),
                                           .aws = aws,
                                           .environment = environment(),
                                           .check_only = true,
                                           .bind = false},
                                          diagnostics);
    Checked checked{.diagnostics = normal(diagnostics.render()), .pipeline = {}};
    if (pipeline != nullptr && !diagnostics.has_errors())
      checked.pipeline = without_journal(normal(pipeline->describe()));
    return checked;
  }

 private:
  // Without what depends on where the checkout is and on which plugins there are by now.
  [[nodiscard]] std::string normal(std::string text) const {
    replace_all(text, folder_.string() + "/", "");
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);) {
      for (const char* list : {"inputs are: ", "filters are: ", "outputs are: "}) {
        if (const size_t at = line.find(list); at != std::string::npos)
          line = line.substr(0, at + std::strlen(list)) + "…";
      }
      out += line + "\n";
    }
    return out;
  }
  static std::string without_journal(const std::string& text) {
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("  journal")) out += line + "\n";
    }
    return out;
  }

  std::filesystem::path folder_;
  std::map<std::string, std::string> variables_;
};

std::string parameter_name(const testing::TestParamInfo<std::string>& instance) {
  std::string name = instance.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

class Users : public testing::TestWithParam<std::string> {};

TEST_P(Users, LoadsOrSaysWhatToDo) {
  const std::filesystem::path folder = kGolden / "users" / GetParam();
  const Checker checker(folder);
  const bool yaml = std::filesystem::exists(folder / "input.yaml");
  Diagnostics diagnostics;
  const Document document = parse_config_file(folder / (yaml ? "input.yaml" : "input.conf"),
                                              diagnostics, checker.options());
  const Checked checked = checker.check(document, diagnostics);
  const std::string actual =
      checked.diagnostics + "----\n" + checked.pipeline.value_or("it does not load\n");
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(folder / "expected.txt") << actual;
    return;
  }
  EXPECT_EQ(actual, read_text(folder / "expected.txt"));
  // What does not load says at least one thing to do.
  if (!checked.pipeline) {
    EXPECT_THAT(actual,
                testing::AnyOf(testing::HasSubstr("help:"), testing::HasSubstr(": at least"),
                               testing::HasSubstr("cannot read")));
  }
}

INSTANTIATE_TEST_SUITE_P(Configurations, Users, testing::ValuesIn(cases("users")), parameter_name);

TEST(UsersSet, IsLargeEnough) { EXPECT_GE(cases("users").size(), 40u); }

// The messages without their places, which differ between two texts, and in lower case: YAML has
// its keys so.
std::multiset<std::string> messages(const Diagnostics& diagnostics) {
  std::multiset<std::string> texts;
  for (const Diagnostic& diagnostic : diagnostics.all()) texts.insert(to_lower(diagnostic.message));
  return texts;
}

void expect_the_same_as_yaml(const std::filesystem::path& folder) {
  const Checker checker(folder);
  Diagnostics of_classic, of_yaml;
  const Document classic = parse_classic_file(folder / "input.conf", of_classic, checker.options());
  if (of_classic.has_errors()) GTEST_SKIP() << "it has mistakes: convert refuses it";
  const std::string text = classic_as_yaml(classic);
  Document yaml = parse_yaml_text("converted.yaml", text, of_yaml, checker.options());
  EXPECT_FALSE(of_yaml.has_errors()) << of_yaml.render() << text;
  yaml.main_directory = classic.main_directory;
  // Both are judged by what comes after reading: the readers' own warnings differ.
  Diagnostics classic_build, yaml_build;
  // Relative paths are looked for beside the main file.
  yaml.files = classic.files;
  const Checked a = checker.check(classic, classic_build), b = checker.check(yaml, yaml_build);
  EXPECT_EQ(a.pipeline, b.pipeline) << text;
  EXPECT_EQ(messages(classic_build), messages(yaml_build)) << text;
}

class Converted : public testing::TestWithParam<std::string> {};

TEST_P(Converted, MakesTheSamePipeline) {
  for (const char* folder : {"config", "users"}) {
    const std::filesystem::path path = kGolden / folder / GetParam();
    if (std::filesystem::exists(path / "input.conf")) expect_the_same_as_yaml(path);
  }
}

// What aws-for-fluent-bit has in /fluent-bit/parsers and /fluent-bit/etc, by the names that
// configurations include; a file that is missing would stop them.
TEST(ImageParsers, EveryFileOfTheOldImageIsThereAndLoads) {
  const std::filesystem::path image =
      kGolden.parent_path().parent_path() / "cdk/docker/fluent-bit/image/root/fluent-bit";
  std::string text = "[SERVICE]\n";
  for (const char* directory : {"parsers", "etc"}) {
    for (const char* name : {"", "_ambassador", "_cinder", "_extra", "_java", "_kafka", "_mult",
                             "_multiline", "_openstack"})
      text +=
          fmt::format("    Parsers_File {}/parsers{}.conf\n", (image / directory).string(), name);
    Diagnostics diagnostics;
    const Checker checker(image);
    const Document document = parse_classic_text(
        "t.conf",
        text +
            "[INPUT]\n    Name dummy\n[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n"
            "    Parser java_multiline\n    Parser mysql_error\n    Parser uuid\n    Parser json\n"
            "[OUTPUT]\n    Name null\n    Match *\n",
        diagnostics, checker.options());
    EXPECT_TRUE(checker.check(document, diagnostics).pipeline) << diagnostics.render();
    EXPECT_THAT(diagnostics.render(), testing::IsEmpty());
    text = "[SERVICE]\n";
  }
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names = cases("config");
  for (const std::string& name : cases("users")) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Configurations, Converted, testing::ValuesIn(all_cases()), parameter_name);

}  // namespace
}  // namespace noroshi
