// For tests: an [INPUT] section from keys and values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/values.h"

namespace noroshi {

inline Section section_of(const std::vector<std::pair<std::string, std::string>>& properties) {
  Section section;
  section.kind = SectionKind::Input;
  section.title = "INPUT";
  for (const auto& [key, value] : properties) {
    Property property;
    property.key = key;
    property.name = to_lower(key);
    property.values.push_back({value, {}, false});
    section.properties.push_back(std::move(property));
  }
  return section;
}

}  // namespace noroshi
