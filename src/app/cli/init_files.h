// The extra configuration files that variables name: those of the init image of aws-for-fluent-bit
// (fluent_bit_init_process.go), and our own NOROSHI_CONFIG_S3.
#pragma once

#include <string>
#include <vector>

#include "aws/credentials.h"
#include "config/diagnostics.h"

namespace noroshi {

struct InitFile {
  std::string variable = {};  // "aws_fluent_bit_init_s3_1"
  std::string value = {};     // an ARN of S3, or a path
  bool in_s3 = false;
};

// From "NAME=VALUE" entries, in their order (not that of the numbers): every variable whose name
// contains aws_fluent_bit_init_s3 or …_file (S3 and File too) and has a value; NOROSHI_CONFIG_S3
// last, wherever it stands.
[[nodiscard]] std::vector<InitFile> init_files(char* const* environment);

struct InitText {
  std::string name = {};  // for messages: "s3://bucket/key", the path
  std::string text = {};
};

// Reads the object or the file. An error names the variable; nullopt then: without a part of its
// configuration the router must not start. S3 is tried for kInitFilePatience.
[[nodiscard]] std::optional<InitText> read_init_file(const InitFile& file,
                                                     const AwsEnvironment& aws,
                                                     Diagnostics& diagnostics);

inline constexpr Nanoseconds kInitFilePatience = Seconds(30);
inline constexpr size_t kInitFileBytesMax = 4 << 20;

}  // namespace noroshi
