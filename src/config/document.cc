#include "config/document.h"

#include "config/values.h"

namespace noroshi {

std::string_view to_string(SectionKind kind) {
  switch (kind) {
    case SectionKind::Service:
      return "service";
    case SectionKind::Input:
      return "input";
    case SectionKind::Filter:
      return "filter";
    case SectionKind::Output:
      return "output";
    case SectionKind::Parser:
      return "parser";
    case SectionKind::MultilineParser:
      return "multiline_parser";
    case SectionKind::Plugins:
      return "plugins";
    case SectionKind::StreamTask:
      return "stream_task";
    case SectionKind::Upstream:
      return "upstream";
    case SectionKind::Node:
      return "node";
    case SectionKind::Custom:
      return "custom";
    case SectionKind::Group:
      return "group";
  }
  return "section";
}

const Property* Section::find(std::string_view name) const {
  const Property* found = nullptr;
  for (const Property& property : properties) {
    if (property.name == name) found = &property;
  }
  return found;
}

std::vector<const Property*> Section::find_all(std::string_view name) const {
  std::vector<const Property*> found;
  for (const Property& property : properties) {
    if (property.name == name) found.push_back(&property);
  }
  return found;
}

std::string_view Section::value(std::string_view name) const {
  const Property* property = find(name);
  return property == nullptr ? std::string_view{} : std::string_view(property->value());
}

SourceLocation Section::where_of(std::string_view name) const {
  const Property* property = find(name);
  return property == nullptr ? where : property->where();
}

std::string Section::plugin() const { return to_lower(value("name")); }

std::vector<const Section*> Document::find_all(SectionKind kind) const {
  std::vector<const Section*> found;
  for (const Section& section : sections) {
    if (section.kind == kind) found.push_back(&section);
  }
  return found;
}

}  // namespace noroshi
