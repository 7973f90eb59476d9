#include "app/cli/configuration.h"

#include <fmt/format.h>
#include <unistd.h>

#include "app/cli/init_files.h"
#include "app/cli/task_environment.h"
#include "aws/credentials.h"
#include "config/parse_config.h"
#include "config/secret_options.h"
#include "config/variables.h"
#include "pipeline/bind_early.h"

namespace noroshi {
namespace {

// As if `more` had been included at the end. @SETs of the text read last win, as within one file.
void append(Document& document, Document more) {
  if (document.main_directory.empty()) document.main_directory = std::move(more.main_directory);
  for (Section& section : more.sections) document.sections.push_back(std::move(section));
  for (auto& file : more.files) document.files.push_back(std::move(file));
  for (auto& [name, value] : more.environment) document.environment[name] = std::move(value);
}

// The flags become a [SERVICE] section behind the file's own, so that they win over it.
std::string flags_as_service(const RunArguments& arguments) {
  std::string text = "[SERVICE]\n";
  const auto line = [&](std::string_view key, const std::optional<std::string>& value) {
    if (value) text += fmt::format("    {}  {}\n", key, *value);
  };
  line("Flush", arguments.flush);
  line("storage.path", arguments.storage_path);
  if (arguments.http) line("HTTP_Server", "On");
  line("HTTP_Port", arguments.http_port);
  line("HTTP_Listen", arguments.http_listen);
  if (arguments.hot_reload) line("Hot_Reload", "On");
  if (!arguments.log_file.empty()) line("Log_File", arguments.log_file);
  return text == "[SERVICE]\n" ? "" : text;
}

// With what is known without the network; the real reading reports every problem.
void bind_early(const std::string& path) {
  Diagnostics unreported;
  noroshi::bind_early(parse_config_file(path, unreported));
}

Document plugins_of_the_command_line(const RunArguments& arguments, const Document& before,
                                     const EnvironmentLookup& environment,
                                     Diagnostics& diagnostics) {
  Document document;
  document.sections = arguments.sections;
  if (document.sections.empty()) return document;
  document.files.push_back(document.sections.front().where.source);
  Variables variables(environment, before.environment);
  for (Section& section : document.sections) variables.expand(section, diagnostics);
  remember_secrets(document);
  return document;
}

}  // namespace

Document read_configuration(const RunArguments& arguments, Diagnostics& diagnostics,
                            bool open_sockets_early) {
  remember_secrets(environ);
  for (const std::string& warning : arguments.warnings) diagnostics.warning({}, warning);
  TaskEnvironment& task = TaskEnvironment::of_process();
  if (open_sockets_early && !arguments.config.empty())
    task.before_network([&] { bind_early(arguments.config); });
  const ClassicOptions classic{
      .environment = task.lookup(), .working_directory = {}, .variables = {}};
  const std::vector<InitFile> files = init_files(environ);
  if (!files.empty()) {
    task.about_to_use_network();
    task.export_variables();
  }

  Document document;
  if (!arguments.config.empty())
    append(document, parse_config_file(arguments.config, diagnostics, classic));
  // A [PARSER] may stand in any of them: there is no need to tell parser files from others.
  for (const InitFile& file : files) {
    if (auto read = read_init_file(file, aws_process_environment(), diagnostics))
      append(document, parse_config_text(read->name, std::move(read->text), diagnostics, classic));
  }
  if (const auto text = process_environment()("NOROSHI_CONFIG"); text && !text->empty())
    append(document, parse_config_text("NOROSHI_CONFIG", *text, diagnostics, classic));
  append(document, plugins_of_the_command_line(arguments, document, task.lookup(), diagnostics));
  task.before_network({});
  if (document.files.empty()) {
    if (!diagnostics.has_errors()) {
      diagnostics.error({}, "no configuration")
          .help("name a file: noroshi -c fluent-bit.conf; or put its text into NOROSHI_CONFIG");
    }
    return document;
  }
  if (const std::string flags = flags_as_service(arguments); !flags.empty())
    append(document, parse_classic_text("command line", flags, diagnostics));
  return document;
}

}  // namespace noroshi
