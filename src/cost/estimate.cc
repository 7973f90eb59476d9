#include "cost/estimate.h"

#include <fmt/format.h>

#include <algorithm>

#include "record/json_writer.h"

namespace noroshi {
namespace {

// What S3 keeps for each archived object beside its bytes: 32 KB at Glacier's price and 8 KB at
// Standard's (Amazon S3 user guide, "Archival storage": overhead of Glacier Flexible Retrieval).
constexpr double kGlacierOverheadGb = 32e-6;
constexpr double kGlacierOverheadStandardGb = 8e-6;
constexpr double kMonthsPerYear = 12;

std::string json_text(std::string_view text) {
  std::string out;
  write_json_string(out, text);
  return out;
}

}  // namespace

CostEstimate estimate_cost(const Volume& volume, const Deployment& deployment,
                           const Prices& prices) {
  // What S3 keeps in the given month: the last months in Standard, everything older in Glacier.
  const double standard_months = std::min(deployment.month, deployment.glacier_after_months);
  const double glacier_months = std::max(0.0, deployment.month - deployment.glacier_after_months);
  const double archived = glacier_months * volume.s3_objects_per_month;
  const double standard_gb =
      standard_months * volume.s3_gb_per_month + archived * kGlacierOverheadStandardGb;
  const double glacier_gb = glacier_months * volume.s3_gb_per_month + archived * kGlacierOverheadGb;
  const double moved = glacier_months > 0 ? volume.s3_objects_per_month : 0;
  const double endpoint_hours =
      deployment.interface_endpoints * deployment.zones * kHoursPerMonth * prices.endpoint_hour;
  const double kept_before = volume.gb_per_month * deployment.logs_retention_months;
  const double kept_after = volume.errors_gb_per_month * deployment.logs_retention_months;

  CostEstimate estimate;
  estimate.lines = {
      {"CloudWatch Logs, taken in", volume.gb_per_month * prices.logs_ingestion_gb,
       volume.errors_gb_per_month * prices.logs_ingestion_gb,
       fmt::format("{:.4g} → {:.4g} GB × ${:.4g}", volume.gb_per_month, volume.errors_gb_per_month,
                   prices.logs_ingestion_gb)},
      {"CloudWatch Logs, kept", kept_before * prices.logs_storage_gb_month,
       kept_after * prices.logs_storage_gb_month,
       fmt::format("{:.4g} → {:.4g} GB × ${:.4g}", kept_before, kept_after,
                   prices.logs_storage_gb_month)},
      {"S3 Standard", 0, standard_gb * prices.s3_standard_gb_month,
       fmt::format("{:.4g} GB in month {:.4g} × ${:.4g}", standard_gb, deployment.month,
                   prices.s3_standard_gb_month)},
      {"S3 Glacier", 0, glacier_gb * prices.s3_glacier_gb_month,
       fmt::format("{:.4g} GB in month {:.4g} × ${:.4g}", glacier_gb, deployment.month,
                   prices.s3_glacier_gb_month)},
      {"S3 requests", 0,
       (volume.s3_objects_per_month * prices.s3_put_1000 +
        moved * prices.s3_glacier_transition_1000) /
           1000,
       fmt::format("{:.0f} PUT, {:.0f} moved to Glacier", volume.s3_objects_per_month, moved)},
      {"ECR images", 0, deployment.images * deployment.image_gb * prices.ecr_gb_month,
       fmt::format("{:.4g} × {:.4g} GB × ${:.4g}", deployment.images, deployment.image_gb,
                   prices.ecr_gb_month)},
      {"Fargate memory of the router", 0,
       deployment.tasks * deployment.router_memory_gb * kHoursPerMonth *
           prices.fargate_memory_gb_hour,
       fmt::format("{:.4g} tasks × {:.4g} GB × {:.0f} h; 0 where the task's size stays",
                   deployment.tasks, deployment.router_memory_gb, kHoursPerMonth)},
      {"interface endpoints", endpoint_hours, endpoint_hours,
       fmt::format("{:.4g} × {:.4g} zones × {:.0f} h × ${:.4g}; needed without NAT either way",
                   deployment.interface_endpoints, deployment.zones, kHoursPerMonth,
                   prices.endpoint_hour)},
      {"data through endpoints", volume.gb_per_month * prices.endpoint_gb,
       volume.errors_gb_per_month * prices.endpoint_gb, "to CloudWatch Logs; to S3 it is free"},
  };
  for (const CostLine& line : estimate.lines) {
    estimate.before += line.before;
    estimate.after += line.after;
  }
  return estimate;
}

std::string render_table(const CostEstimate& estimate, const Prices& prices) {
  std::string text = fmt::format("{:<30}{:>10}{:>10}{:>10}   {}\n", "US dollars a month", "before",
                                 "after", "saving", "basis");
  const auto row = [&](std::string_view name, double before, double after, std::string_view basis) {
    text += fmt::format("{:<30}{:>10.2f}{:>10.2f}{:>10.2f}   {}", name, before, after,
                        before - after, basis);
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  };
  for (const CostLine& line : estimate.lines) row(line.name, line.before, line.after, line.basis);
  row("total", estimate.before, estimate.after, {});
  const double saving = estimate.saving();
  if (saving < 0) {
    text += fmt::format("\nsaving: none, it costs ${:.2f} more a month, ${:.0f} a year\n", -saving,
                        -saving * kMonthsPerYear);
  } else {
    const double share = estimate.before > 0 ? saving / estimate.before * 100 : 0;
    text += fmt::format("\nsaving: ${:.2f} a month ({:.0f} %), ${:.0f} a year\n", saving, share,
                        saving * kMonthsPerYear);
  }
  text += fmt::format("prices of {}, read on {}; --price NAME=DOLLARS replaces one\n",
                      prices.region, prices.read_on);
  return text;
}

std::string render_json(const CostEstimate& estimate, const Prices& prices) {
  std::string lines;
  for (const CostLine& line : estimate.lines) {
    lines += fmt::format(R"({}{{"name":{},"before":{:.4f},"after":{:.4f},"basis":{}}})",
                         lines.empty() ? "" : ",", json_text(line.name), line.before, line.after,
                         json_text(line.basis));
  }
  return fmt::format(
      R"({{"currency":"USD","region":{},"prices_read_on":{},"lines":[{}],"before":{:.4f},"after":{:.4f},"saving":{:.4f},"saving_per_year":{:.2f}}})",
      json_text(prices.region), json_text(prices.read_on), lines, estimate.before, estimate.after,
      estimate.saving(), estimate.saving() * kMonthsPerYear);
}

}  // namespace noroshi
