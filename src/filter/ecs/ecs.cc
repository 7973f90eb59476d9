// Fluent Bit's filter serves a daemon: it asks the ECS agent of the EC2 instance for the container
// whose id the tag holds. noroshi is a container of the task itself: the task's own metadata
// endpoint answers, on Fargate too, and the tag that FireLens gives names the container.
#include "filter/ecs/ecs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "aws/task_metadata.h"
#include "filter/added_fields.h"
#include "filter/background_value.h"
#include "filter/ecs/ecs_template.h"
#include "filter/waiting_filter.h"

namespace noroshi {

const OptionTable<EcsFilterOptions>& ecs_filter_option_table() {
  using O = EcsFilterOptions;
  static const auto table =
      OptionTable<O>("ecs", "Adds what the metadata of our ECS task says.")
          .option("add", &O::add,
                  "`KEY TEMPLATE`: a field, of $ClusterName, $TaskARN, $TaskID, "
                  "$TaskDefinitionFamily, $TaskDefinitionVersion, $ContainerID, "
                  "$DockerContainerName, $ECSContainerName and text between them.")
          .option("ecs_tag_prefix", &O::ecs_tag_prefix,
                  "Where tags hold a container's id: what stands before it. The tags of FireLens "
                  "(`NAME-firelens-TASK`) need none.")
          .option("cluster_metadata_only", &O::cluster_metadata_only, "off",
                  "Only $ClusterName stands for something.")
          .ignored("ecs_meta_cache_ttl", "A task's metadata stays; new containers are noticed.")
          .ignored("ecs_meta_host", "ECS_CONTAINER_METADATA_URI_V4 says where the metadata is.")
          .ignored("ecs_meta_port", "ECS_CONTAINER_METADATA_URI_V4 says where the metadata is.")
          .ignored("agent_endpoint_retries", "It is asked again until it answers.");
  return table;
}

namespace {

// Fluent Bit's tags hold the id's first 12 characters.
constexpr size_t kShortIdSize = 12;
constexpr std::string_view kFirelens = "-firelens-";
constexpr size_t kTagsRememberedMax = 1000;

class EcsFilter final : public WaitingFilter {
 public:
  EcsFilter(const std::string& component, const EcsFilterOptions& options,
            std::vector<EcsField> fields, const AwsEnvironment& environment)
      : prefix_(options.ecs_tag_prefix),
        cluster_only_(options.cluster_metadata_only),
        fields_(std::move(fields)),
        source_(component, "the task's metadata",
                [&environment](Monotonic deadline) {
                  return read_task_metadata(environment, deadline);
                },
                {.retry_interval = Seconds(60)}) {}

 private:
  bool settled() override {
    source_.start();
    return source_.settled();
  }

  void change(Chunk& chunk) override {
    const auto task = source_.value();
    if (task == nullptr) return;
    if (task != task_ || by_tag_.size() >= kTagsRememberedMax) by_tag_.clear();
    task_ = task;
    const auto known = by_tag_.find(chunk.tag);
    if (known != by_tag_.end()) return known->second.add_to(chunk, rewriter_);
    fields_for(*task, chunk.tag).add_to(chunk, rewriter_);
  }

  // Remembered for the tag, unless its container may yet become known.
  AddedFields fields_for(const TaskMetadata& task, const std::string& tag) {
    const size_t mark = tag.rfind(kFirelens);
    const std::string_view name = std::string_view(tag).substr(0, mark == tag.npos ? 0 : mark);
    const TaskContainer* const container = find_container(task, tag, name);
    AddedFields added;
    for (const EcsField& field : fields_)
      added.set(field.key, field.value(task, container, name, cluster_only_));
    if (container != nullptr || cluster_only_) {
      by_tag_.emplace(tag, added);
    } else {
      source_.refresh();
    }
    return added;
  }

  const TaskContainer* find_container(const TaskMetadata& task, std::string_view tag,
                                      std::string_view name) const {
    if (tag.starts_with(prefix_)) tag.remove_prefix(prefix_.size());
    const std::string_view id = tag.substr(0, kShortIdSize);
    const auto found = std::ranges::find_if(task.containers, [&](const TaskContainer& each) {
      if (!name.empty()) return each.name == name;
      return id.size() == kShortIdSize && each.id.starts_with(id);
    });
    return found == task.containers.end() ? nullptr : &*found;
  }

  const std::string prefix_;
  const bool cluster_only_;
  const std::vector<EcsField> fields_;
  BackgroundValue<TaskMetadata> source_;
  std::shared_ptr<const TaskMetadata> task_;  // that by_tag_ was made from
  std::map<std::string, AddedFields, std::less<>> by_tag_;
  ChunkRewriter rewriter_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const EcsFilterOptions options = ecs_filter_option_table().parse(section, diagnostics);
  std::vector<EcsField> fields;
  for (const LocatedText& line : options.add) {
    if (auto field = parse_ecs_field(line, diagnostics)) fields.push_back(*std::move(field));
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  made.description = fmt::format("adds {} fields of the task", fields.size());
  made.filter = std::make_unique<EcsFilter>("filter:" + context.instance_name, options,
                                            std::move(fields), context.aws);
  return made;
}

}  // namespace

const FilterPlugin kEcsFilter = {
    .name = "ecs",
    .summary = "Adds what the metadata of our ECS task says.",
    .options = [] { return ecs_filter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
