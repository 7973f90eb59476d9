// What the golden cases (tests/golden/config) cannot show: files, limits, the process's
// environment.
#include "config/classic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/config_file.h"
#include "config/config_files.h"

namespace noroshi {
namespace {

using testing::HasSubstr;

class ClassicFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "noroshi_classic_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary) << text;
    return full;
  }
  std::vector<std::string> names(const Document& document) {
    std::vector<std::string> result;
    for (const Section& section : document.sections) result.emplace_back(section.value("name"));
    return result;
  }

  std::filesystem::path root_;
  Diagnostics diagnostics_;
};

std::string expanded(const std::string& value, Diagnostics& diagnostics,
                     const ClassicOptions& options = {}) {
  const Document document =
      parse_classic_text("inline", "[OUTPUT]\n    key " + value + "\n", diagnostics, options);
  return std::string(document.sections.at(0).value("key"));
}

TEST_F(ClassicFiles, AMissingMainFileIsAnErrorThatNamesIt) {
  const Document document = parse_classic_file("/nonexistent/fluent-bit.conf", diagnostics_);
  EXPECT_TRUE(document.sections.empty());
  EXPECT_EQ(
      diagnostics_.render(),
      "error: cannot open /nonexistent/fluent-bit.conf: No such file or directory\n\n1 error\n");
}

TEST_F(ClassicFiles, ADirectoryIsNoMainFile) {
  static_cast<void>(parse_classic_file(root_, diagnostics_));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("is a directory"));
}

TEST_F(ClassicFiles, PlainIncludesLookInTheWorkingDirectoryThenBesideMainThenBesideTheIncluder) {
  const std::string main = write("main/main.conf", "@INCLUDE sub/a.conf\n");
  write("main/sub/a.conf", "@INCLUDE x.conf\n");
  const ClassicOptions options{.working_directory = root_ / "cwd", .variables = {}};
  write("main/sub/x.conf", "[INPUT]\n    Name includer\n");
  EXPECT_THAT(names(parse_classic_file(main, diagnostics_, options)),
              testing::ElementsAre("includer"));
  write("main/x.conf", "[INPUT]\n    Name main\n");
  EXPECT_THAT(names(parse_classic_file(main, diagnostics_, options)), testing::ElementsAre("main"));
  write("cwd/x.conf", "[INPUT]\n    Name cwd\n");
  EXPECT_THAT(names(parse_classic_file(main, diagnostics_, options)), testing::ElementsAre("cwd"));
  EXPECT_EQ(diagnostics_.render(), "");
}

TEST_F(ClassicFiles, PatternsLookBesideMainFirstAndSkipDirectories) {
  const std::string main = write("main/main.conf", "@INCLUDE d/*.conf\n");
  write("main/d/b.conf", "[INPUT]\n    Name b\n");
  write("main/d/a.conf", "[INPUT]\n    Name a\n");
  write("main/d/c.conf/inside", "");
  write("cwd/d/z.conf", "[INPUT]\n    Name z\n");
  const ClassicOptions options{.working_directory = root_ / "cwd", .variables = {}};
  EXPECT_THAT(names(parse_classic_file(main, diagnostics_, options)),
              testing::ElementsAre("a", "b"));
  EXPECT_EQ(diagnostics_.render(), "");
}

TEST_F(ClassicFiles, TheMainDirectoryIsTheOneOfTheRealFile) {
  write("real/main.conf", "@INCLUDE x.conf\n");
  write("real/x.conf", "[INPUT]\n    Name x\n");
  std::filesystem::create_symlink(root_ / "real/main.conf", root_ / "link.conf");
  const Document document = parse_classic_file(root_ / "link.conf", diagnostics_);
  EXPECT_THAT(names(document), testing::ElementsAre("x"));
  EXPECT_EQ(document.main_directory, std::filesystem::canonical(root_ / "real"));
  EXPECT_EQ(document.files.size(), 2u);
  EXPECT_EQ(find_config_file("x.conf", {"/nonexistent", document.main_directory}).value_or(""),
            document.main_directory + "/x.conf");
}

TEST_F(ClassicFiles, HardLinksAndLinksToOneFileAreIncludedOnce) {
  write("a.conf", "[INPUT]\n    Name a\n");
  std::filesystem::create_symlink(root_ / "a.conf", root_ / "b.conf");
  const std::string main = write("main.conf", "@INCLUDE a.conf\n@INCLUDE b.conf\n");
  EXPECT_THAT(names(parse_classic_file(main, diagnostics_)), testing::ElementsAre("a"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("b.conf is included twice"));
}

TEST_F(ClassicFiles, DepthAndNumberOfFilesAreLimited) {
  for (size_t i = 0; i < 40; ++i) {
    write(std::to_string(i) + ".conf", "@INCLUDE " + std::to_string(i + 1) + ".conf\n");
  }
  static_cast<void>(parse_classic_file(root_ / "0.conf", diagnostics_));
  EXPECT_EQ(diagnostics_.error_count(), 1u);
  EXPECT_THAT(diagnostics_.render(), HasSubstr("nested deeper than 32"));

  for (size_t i = 0; i < kConfigFilesMax + 5; ++i)
    write("d/" + std::to_string(i) + ".conf", "[INPUT]\n    Name a\n");
  const std::string main = write("main.conf", "@INCLUDE d/*.conf\n");
  Diagnostics diagnostics;
  const Document document = parse_classic_file(main, diagnostics);
  EXPECT_EQ(document.sections.size(), kConfigFilesMax - 1);
  EXPECT_EQ(diagnostics.error_count(), 1u);
  EXPECT_THAT(diagnostics.render(), HasSubstr("more than 1000 configuration files"));
}

TEST_F(ClassicFiles, BinaryFilesAreRefused) {
  static_cast<void>(
      parse_classic_file(write("a.conf", std::string("[INPUT]\nx\0y\n", 12)), diagnostics_));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("a.conf:2:1: error: there is a NUL byte"));
}

TEST_F(ClassicFiles, InlineTextIsReadLikeAFile) {
  write("x.conf", "[OUTPUT]\n    Name null\n    Match *\n");
  const Document document =
      parse_classic_text("NOROSHI_CONFIG", "[INPUT]\n    Name dummy\n    Bad\n@INCLUDE x.conf\n",
                         diagnostics_, {.working_directory = root_, .variables = {}});
  EXPECT_THAT(names(document), testing::ElementsAre("dummy", "null"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("NOROSHI_CONFIG:3:5: error: \"Bad\" has no value"));
}

TEST_F(ClassicFiles, AVariableMayBeAFile) {
  const ClassicOptions options{.environment =
                                   [&](const std::string&) {
                                     return std::optional("file://" + (root_ / "secret").string());
                                   },
                               .variables = {}};
  write("secret", "p$ss ${X}\r\n");
  EXPECT_EQ(expanded("<${SECRET}>", diagnostics_, options), "<p$ss ${X}>");
  write("secret", std::string(kVariableFileBytesMax + 1, 'x'));
  EXPECT_EQ(diagnostics_.render(), "");
  EXPECT_EQ(expanded("<${SECRET}>", diagnostics_, options), "<>");
  EXPECT_EQ(diagnostics_.error_count(), 1u);
}

TEST(ClassicVariables, ComeFromTheProcessUnlessTheConfigurationSetsThem) {
  Diagnostics diagnostics;
  ASSERT_EQ(setenv("NOROSHI_TEST_VARIABLE", "process", 1), 0);
  EXPECT_EQ(expanded("${NOROSHI_TEST_VARIABLE}", diagnostics), "process");
  EXPECT_EQ(expanded("${NOROSHI_TEST_VARIABLE}\n@SET NOROSHI_TEST_VARIABLE=set", diagnostics),
            "set");
  EXPECT_EQ(expanded("${NOROSHI_TEST_VARIABLE}", diagnostics,
                     {.variables = {{"NOROSHI_TEST_VARIABLE", "main"}}}),
            "main");
  unsetenv("NOROSHI_TEST_VARIABLE");
  EXPECT_EQ(diagnostics.render(), "");
}

TEST(ClassicVariables, HostnameIsPreset) {
  std::array<char, 256> host{};
  ASSERT_EQ(gethostname(host.data(), host.size() - 1), 0);
  unsetenv("HOSTNAME");
  Diagnostics diagnostics;
  EXPECT_EQ(expanded("${HOSTNAME}", diagnostics), host.data());
  EXPECT_EQ(diagnostics.render(), "");
}

TEST(ClassicVariables, TheirSizeInAllIsLimited) {
  const ClassicOptions options{
      .environment =
          [](const std::string&) { return std::optional(std::string(1024 * 1024, 'x')); },
      .variables = {}};
  std::string text = "[OUTPUT]\n";
  for (int i = 0; i < 100; ++i) text += "    k ${X}\n";
  Diagnostics diagnostics;
  static_cast<void>(parse_classic_text("inline", text, diagnostics, options));
  EXPECT_THAT(diagnostics.render(), HasSubstr("the values of variables exceed 64 MiB in all"));
}

TEST(Diagnostics, KeepsABoundedNumberAndCountsTheRest) {
  std::string text = "[OUTPUT]\n";
  for (int i = 0; i < 300; ++i) text += "    key" + std::to_string(i) + "\n";
  Diagnostics diagnostics;
  static_cast<void>(parse_classic_text("inline", text, diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 300u);
  EXPECT_EQ(diagnostics.all().size(), Diagnostics::kKeptMax);
  EXPECT_THAT(diagnostics.render(),
              testing::EndsWith("300 errors (the first 100 of each are shown)\n"));
}

TEST(Diagnostics, ColorsOnlyWhenAsked) {
  const auto source = std::make_shared<const SourceText>("a.conf", "x\ty z");
  Diagnostics diagnostics;
  diagnostics.error({source, 1, 3, 1}, "bad \033[31m value").help("other").note("see");
  EXPECT_EQ(diagnostics.render(),
            "a.conf:1:3: error: bad ?[31m value\n    1 | x y z\n      |   ^\nnote: see\nhelp: "
            "other\n\n1 error\n");
  EXPECT_THAT(diagnostics.render(true), HasSubstr("\033[1;31m"));
}

}  // namespace
}  // namespace noroshi
