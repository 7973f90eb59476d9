// docs/configuration.md shows the tables and messages of today. UPDATE_GOLDEN=1 rewrites the
// tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "config/common_options.h"
#include "config/config_file.h"
#include "config/service.h"

namespace noroshi {
namespace {

const std::string kPage = std::string(NOROSHI_SOURCE_DIR) + "/docs/configuration.md";

std::string read_page() {
  const Result<std::string> page = read_config_file(kPage, 1 << 20);
  return page.value_or("");
}

// What stands between `<!-- name -->` and the next `<!-- end -->`, as position and size.
std::pair<size_t, size_t> between_markers(const std::string& page, const std::string& name) {
  const std::string marker = "<!-- " + name + " -->\n";
  const size_t begin = page.find(marker);
  if (begin == std::string::npos) return {std::string::npos, 0};
  const size_t content = begin + marker.size();
  return {content, page.find("<!-- end -->", content) - content};
}

TEST(Documentation, OptionTablesAreFresh) {
  std::string page = read_page();
  for (const OptionTableBase* table :
       {&service_option_table(), common_option_table(SectionKind::Input),
        common_option_table(SectionKind::Filter), common_option_table(SectionKind::Output)}) {
    const auto [at, size] = between_markers(page, "options:" + table->name());
    ASSERT_NE(at, std::string::npos) << table->name();
    const std::string fresh = render_markdown_table(*table);
    if (std::getenv("UPDATE_GOLDEN") != nullptr)
      page.replace(at, size, fresh);
    else
      EXPECT_EQ(page.substr(at, size), fresh) << "run with UPDATE_GOLDEN=1";
  }
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(kPage) << page;
}

TEST(Documentation, TheExampleIsReadAndTheMistakesAreReportedAsShown) {
  const std::string page = read_page();
  const size_t begin = page.find("```\n[SERVICE]") + 4;
  Diagnostics clean;
  const Document document = parse_classic_text(
      "example", page.substr(begin, page.find("```", begin) - begin), clean,
      {.environment = [](const std::string&) { return std::optional<std::string>("x"); },
       .variables = {}});
  EXPECT_EQ(clean.render(), "");
  EXPECT_EQ(document.sections.size(), 4u);

  struct Upload {
    ByteSize total_file_size = {};
    Nanoseconds upload_timeout = {};
  };
  const auto table = OptionTable<Upload>("s3", "Objects.")
                         .option("total_file_size", &Upload::total_file_size, "100M", "Size.")
                         .option("upload_timeout", &Upload::upload_timeout, "10m", "Age.");
  Diagnostics diagnostics;
  const Document wrong =
      parse_classic_text("fluent-bit.conf",
                         "\n\n\n\n\n\n[OUTPUT]\n    Name s3\n    total_file_sise  100M\n"
                         "    upload_timeout   10x\n",
                         diagnostics);
  static_cast<void>(table.parse(wrong.sections.at(0), diagnostics));
  const auto [at, size] = between_markers(page, "diagnostics");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(page.substr(at, size), "```\n" + diagnostics.render() + "```\n");
}

}  // namespace
}  // namespace noroshi
