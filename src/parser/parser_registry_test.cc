#include "parser/parser_registry.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "config/classic.h"
#include "config/option_table_base.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

Diagnostics add_all(ParserRegistry& registry, std::string text) {
  Diagnostics diagnostics;
  const Document document = parse_classic_text("parsers.conf", std::move(text), diagnostics);
  for (const Section* section : document.find_all(SectionKind::Parser)) {
    registry.add(*section, diagnostics);
  }
  return diagnostics;
}

TEST(ParserRegistry, StockParsersAreThereAndCompile) {
  const ParserRegistry registry;
  const auto names = registry.names();
  EXPECT_EQ(names.size(), 18u);
  for (const std::string& name : names) {
    EXPECT_TRUE(registry.make(name)) << name << ": " << registry.make(name).error().message;
  }
  EXPECT_TRUE(registry.contains("json"));
  EXPECT_FALSE(registry.contains("JSON"));
  EXPECT_EQ(registry.make("nothing").error().code, ErrorCode::NotFound);
}

TEST(ParserRegistry, EachUserHasAParserOfItsOwn) {
  const ParserRegistry registry;
  EXPECT_NE(registry.make("json")->get(), registry.make("json")->get());
}

TEST(ParserRegistry, TheUsersDefinitionWins) {
  ParserRegistry registry;
  EXPECT_EQ(add_all(registry, "[PARSER]\n    Name json\n    Format logfmt\n").render(), "");
  EXPECT_EQ((*registry.make("json"))->options().format, ParserFormat::Logfmt);
  const Diagnostics twice = add_all(registry, "[PARSER]\n    Name json\n    Format ltsv\n");
  EXPECT_EQ(twice.warning_count(), 1u);
  EXPECT_FALSE(twice.has_errors());
  EXPECT_EQ((*registry.make("json"))->options().format, ParserFormat::Ltsv) << "the last one";
}

TEST(ParserRegistry, AWrongDefinitionIsLeftOut) {
  ParserRegistry registry;
  EXPECT_TRUE(
      add_all(registry, "[PARSER]\n    Name json\n    Format regex\n    Regex (\n").has_errors());
  EXPECT_EQ((*registry.make("json"))->options().format, ParserFormat::Json)
      << "the stock one stays";
}

std::string read_page() {
  std::ifstream file(NOROSHI_SOURCE_DIR "/src/parser/README.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// UPDATE_GOLDEN=1 rewrites the table.
TEST(ParserReadme, OptionTablesAreFresh) {
  for (const auto& [marker, table] :
       {std::pair<std::string, const OptionTableBase&>{"<!-- options:parser_section -->\n",
                                                       ParserRegistry::option_table()},
        {"<!-- options:multiline_parser -->\n", MultilineRegistry::option_table()}}) {
    std::string page = read_page();
    const size_t begin = page.find(marker) + marker.size();
    const size_t end = page.find("<!-- end -->", begin);
    ASSERT_NE(end, std::string::npos);
    const std::string fresh = render_markdown_table(table);
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      page.replace(begin, end - begin, fresh);
      std::ofstream(NOROSHI_SOURCE_DIR "/src/parser/README.md") << page;
    } else {
      EXPECT_EQ(page.substr(begin, end - begin), fresh) << "run with UPDATE_GOLDEN=1";
    }
  }
}

TEST(ParserReadme, ExampleWorks) {
  const std::string page = read_page();
  const size_t begin = page.find("    [PARSER]");
  std::string section;
  std::stringstream lines(page.substr(begin, page.find("\n\n", begin) - begin));
  for (std::string line; std::getline(lines, line);) section += line.substr(4) + "\n";
  ParserRegistry registry;
  EXPECT_EQ(add_all(registry, section).render(), "");
  const auto parser = registry.make("access");
  ASSERT_TRUE(parser);
  std::string map, json;
  std::optional<Timestamp> time;
  ASSERT_TRUE(
      (*parser)->parse(R"(10.0.0.1 [23/Nov/2026:11:53:00 +0900] "GET / HTTP/1.1" 200)", map, time));
  EXPECT_EQ(time, Timestamp(Seconds(1795402380)));
  ASSERT_TRUE(write_json(json, map));
  EXPECT_EQ(json, R"({"client":"10.0.0.1","request":"GET / HTTP/1.1","status":200})");
}

}  // namespace
}  // namespace noroshi
