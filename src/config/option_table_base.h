// The part of OptionTable (option_table.h: start there) that does not depend on the options struct.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "config/option_info.h"
#include "config/option_value.h"

namespace noroshi {

class OptionTableBase {
 public:
  [[nodiscard]] const std::string& name() const { return name_; }        // "s3"
  [[nodiscard]] const std::string& summary() const { return summary_; }  // one line
  // In the order declared.
  [[nodiscard]] const std::vector<OptionInfo>& options() const { return infos_; }
  // By its name or an alias, lower case; null if the table has no such option ("net.x" finds
  // "net.*").
  [[nodiscard]] const OptionInfo* find(std::string_view name) const;

 protected:
  using Assign = std::function<Status(void* options, const LocatedText& given)>;

  OptionTableBase(std::string name, std::string summary)
      : name_(std::move(name)), summary_(std::move(summary)) {}

  void add(OptionInfo info, Assign assign);
  void add_ignored(std::string name, std::string help, std::string warning);
  void add_alias(std::string name);
  void add_range(std::string smallest, std::string largest);
  void add_last_wins();
  void set_defaults(void* options) const;
  void parse_into(void* options, const Section& section, Diagnostics& diagnostics) const;
  // As parse_into, without a word about keys the table does not have and without `required`.
  void parse_known(void* options, const Section& section, Diagnostics& diagnostics) const;

 private:
  void assign_all(void* options, const Section& section, bool strict,
                  Diagnostics& diagnostics) const;
  void unknown_option(const Section& section, const Property& property,
                      Diagnostics& diagnostics) const;
  void assign_value(void* options, size_t index, const PropertyValue& value,
                    const std::string& what, Diagnostics& diagnostics) const;
  [[nodiscard]] Status assign_checked(void* options, size_t index, LocatedText given) const;

  std::string name_;
  std::string summary_;
  std::vector<OptionInfo> infos_;
  std::vector<Assign> assigns_;  // of infos_, same index; empty for ignored options
};

[[nodiscard]] inline std::string render_markdown_table(const OptionTableBase& table) {
  return render_markdown_table(table.options());
}
[[nodiscard]] inline std::string render_help(const OptionTableBase& table) {
  return render_help(table.name(), table.summary(), table.options());
}

}  // namespace noroshi
