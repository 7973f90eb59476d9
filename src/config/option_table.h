// OptionTable: the one description of a plugin's options (name, type, default, meaning). It parses
// a section into the plugin's options struct, names the nearest option after a typing mistake, and
// prints `--help` and the table in the plugin's README.
//
//   struct S3Options { std::string bucket; ByteSize total_file_size; std::optional<int64_t> parts;
//   };
//
//   const OptionTable<S3Options>& s3_option_table() {
//     static const auto table = OptionTable<S3Options>("s3", "Objects in Amazon S3.")
//         .required("bucket", &S3Options::bucket, "Bucket name.")
//         .option("total_file_size", &S3Options::total_file_size, "100M", "Size that closes an
//         object.")
//             .between("1M", "50G")
//         .option("parts", &S3Options::parts, "No default: the member keeps its initial value.")
//         .choice("compression", &S3Options::compression, "none", {"none", "gzip", "zstd"}, "…")
//         .ignored("workers", "accepted for Fluent Bit's sake");
//     return table;
//   }
//   S3Options options = s3_option_table().parse(section, diagnostics);
//
// Member types: std::string, bool, int64_t, double, ByteSize, Nanoseconds, RetryLimit, LocatedText,
// a std::optional of these, std::vector<std::string> and std::vector<LocatedText> (repeatable;
// several options may share one LocatedText vector, which keeps the order of the section), and
// enums via choice().
//
// parse() never throws and never exits: every problem goes to diagnostics with its place, and the
// options it returns are complete (defaults where a value was wrong). A property whose value is
// empty (an unset variable) counts as not set. Keys every plugin of the section's kind takes
// (common_options.h) are left alone unless the table declares them. Tables are immutable once built
// and safe to share.
#pragma once

#include <initializer_list>
#include <type_traits>
#include <utility>

#include "config/option_table_base.h"

namespace noroshi {

template <typename Options>
class OptionTable : public OptionTableBase {
 public:
  OptionTable(std::string name, std::string summary)
      : OptionTableBase(std::move(name), std::move(summary)) {}

  // An option that must be set to something.
  template <typename T>
  OptionTable& required(std::string name, T Options::* member, std::string help) {
    add(info<T>(std::move(name), {}, std::move(help), true), assigner(member));
    return *this;
  }

  // An option with a default, written as the user would write it.
  template <typename T>
  OptionTable& option(std::string name, T Options::* member, std::string default_text,
                      std::string help) {
    add(info<T>(std::move(name), std::move(default_text), std::move(help)), assigner(member));
    return *this;
  }

  // An option without a default: the member keeps what its struct initialises it with.
  template <typename T>
  OptionTable& option(std::string name, T Options::* member, std::string help) {
    add(info<T>(std::move(name), {}, std::move(help)), assigner(member));
    return *this;
  }

  // One of a few words, any case; the member gets it as spelled here. T: std::string or an optional
  // of it.
  template <typename T>
    requires(!std::is_enum_v<typename option_table_internal::Unwrapped<T>::Type>)
  OptionTable& choice(std::string name, T Options::* member, std::string default_text,
                      std::initializer_list<std::string> words, std::string help) {
    OptionInfo option = info<T>(std::move(name), std::move(default_text), std::move(help));
    option.choices = words;
    add(std::move(option), assigner(member));
    return *this;
  }

  // The same for an enum (or an optional of one): each word with its value.
  template <typename T, typename Enum = typename option_table_internal::Unwrapped<T>::Type>
    requires(std::is_enum_v<Enum>)
  OptionTable& choice(std::string name, T Options::* member, std::string default_text,
                      std::initializer_list<std::pair<std::string, Enum>> words, std::string help) {
    OptionInfo option = info<T>(std::move(name), std::move(default_text), std::move(help));
    for (const auto& [word, value] : words) option.choices.push_back(word);
    add(std::move(option),
        [member, words = std::vector<std::pair<std::string, Enum>>(words)](
            void* options, const LocatedText& given) -> Status {
          for (const auto& [word, value] : words) {
            if (word == given.text) static_cast<Options*>(options)->*member = value;
          }
          return {};
        });
    return *this;
  }

  // Accepted without effect; `warning`, if any, is said once per use. "net.*" stands for every such
  // name.
  OptionTable& ignored(std::string name, std::string help, std::string warning = {}) {
    add_ignored(std::move(name), std::move(help), std::move(warning));
    return *this;
  }

  // For the option declared last: another spelling; the smallest and largest value, written as
  // values of its type ("" for no limit); allowed to repeat, the last one winning with a warning.
  OptionTable& alias(std::string name) { return add_alias(std::move(name)), *this; }
  OptionTable& between(std::string smallest, std::string largest) {
    return add_range(std::move(smallest), std::move(largest)), *this;
  }
  OptionTable& last_wins() { return add_last_wins(), *this; }

  [[nodiscard]] Options parse(const Section& section, Diagnostics& diagnostics) const {
    Options options{};
    parse_into(&options, section, diagnostics);
    return options;
  }
  // What a section without any of the options gives.
  [[nodiscard]] Options defaults() const {
    Options options{};
    set_defaults(&options);
    return options;
  }

 private:
  template <typename T>
  static OptionInfo info(std::string name, std::string default_text, std::string help,
                         bool required = false) {
    return {.name = std::move(name),
            .type = option_table_internal::type_of<T>(),
            .default_text = std::move(default_text),
            .help = std::move(help),
            .required = required,
            .repeatable = option_table_internal::kIsVector<T>};
  }
  template <typename T>
  static Assign assigner(T Options::* member) {
    return [member](void* options, const LocatedText& given) {
      return assign_option(static_cast<Options*>(options)->*member, given);
    };
  }
};

}  // namespace noroshi
