#include "app/cli/init_files.h"

#include <fmt/format.h>

#include <string_view>

#include "aws/s3_object.h"
#include "config/config_file.h"

namespace noroshi {
namespace {

bool contains(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text.find(word) != text.npos) return true;
  }
  return false;
}

}  // namespace

std::vector<InitFile> init_files(char* const* environment) {
  std::vector<InitFile> files;
  InitFile own;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const size_t equals = entry.find('=');
    if (equals == entry.npos || equals + 1 == entry.size()) continue;
    InitFile file{std::string(entry.substr(0, equals)), std::string(entry.substr(equals + 1))};
    file.in_s3 = contains(file.variable, {"aws_fluent_bit_init_s3", "aws_fluent_bit_init_S3"});
    if (file.variable == "NOROSHI_CONFIG_S3") {
      file.in_s3 = true;
      own = std::move(file);
    } else if (file.in_s3 ||
               contains(file.variable, {"aws_fluent_bit_init_file", "aws_fluent_bit_init_File"})) {
      files.push_back(std::move(file));
    }
  }
  if (!own.value.empty()) files.push_back(std::move(own));
  return files;
}

std::optional<InitText> read_init_file(const InitFile& file, const AwsEnvironment& aws,
                                       Diagnostics& diagnostics) {
  if (!file.in_s3) {
    Result<std::string> text = read_config_file(file.value, kInitFileBytesMax);
    if (text) return InitText{file.value, *std::move(text)};
    diagnostics.error({}, fmt::format("{}: {}", file.variable, text.error().message))
        .help("the variable takes the path of a file in the image");
    return std::nullopt;
  }
  const Result<S3Address> address = parse_s3_address(file.value);
  if (!address) {
    diagnostics.error({}, fmt::format("{}: {}", file.variable, address.error().message));
    return std::nullopt;
  }
  Result<std::string> text = read_s3_object(*address, kInitFileBytesMax, aws,
                                            system_clock().monotonic() + kInitFilePatience);
  if (text) return InitText{address->to_string(), *std::move(text)};
  Diagnostic& error =
      diagnostics.error({}, fmt::format("{}: {}", file.variable, text.error().message));
  if (text.error().code == ErrorCode::Denied)
    error.help("the task role (not the execution role) needs s3:GetObject on this object");
  return std::nullopt;
}

}  // namespace noroshi
