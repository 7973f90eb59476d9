#include "admin/cost_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cost/estimate.h"

namespace noroshi {
namespace {

constexpr double kGb = 1e9;

uint64_t less(uint64_t from, uint64_t by) { return from > by ? from - by : 0; }

void add(CostFacts::Destination& destination, const OutputMetrics& metrics) {
  destination.present = true;
  destination.routed += metrics.routed.get();
  destination.delivered += metrics.records.get();
  destination.bytes += metrics.bytes.get();
  destination.requests +=
      less(metrics.requests.get(),
           metrics.retries.get() + metrics.retries_failed.get() + metrics.errors.get());
}

// Records that wait will go out as those before them did.
double waiting_too(const CostFacts::Destination& destination) {
  if (destination.delivered == 0) return 1;
  return std::max(
      1.0, static_cast<double>(destination.routed) / static_cast<double>(destination.delivered));
}

}  // namespace

CostFacts take_cost_facts(const Pipeline& pipeline, Timestamp now) {
  CostFacts facts;
  facts.uptime = std::max(Nanoseconds(0), now - pipeline.started());
  facts.reloads = pipeline.reloads();
  for (const InputInstance& input : pipeline.inputs()) {
    const uint64_t records = input.metrics->records.get();
    const uint64_t bytes = input.metrics->bytes.get();
    facts.records += records;
    facts.text_bytes += less(bytes, input.plugin == "forward" ? records * kDriverBytes : 0);
    facts.text_bytes += records * kAwslogsBytes;
  }
  for (const OutputInstance& output : pipeline.outputs()) {
    if (output.plugin == "cloudwatch_logs") add(facts.cloudwatch_logs, *output.metrics);
    if (output.plugin == "s3") add(facts.s3, *output.metrics);
  }
  return facts;
}

Result<std::string> cost_report(const CostFacts& facts, std::string_view region) {
  if (region.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "which region's prices? AWS_REGION is not set: ask for ?region=ap-northeast-1");
  }
  Result<Prices> prices = prices_of(region);
  if (!prices) return std::unexpected(prices.error());
  const double uptime = std::chrono::duration<double>(facts.uptime).count();
  if (facts.uptime < kCostUptimeMin) {
    return fail(ErrorCode::Unavailable,
                fmt::format("running for {:.0f} s: a month is not extrapolated from less than {} s",
                            uptime, std::chrono::duration_cast<Seconds>(kCostUptimeMin).count()));
  }
  if (facts.s3.routed > 0 && facts.s3.delivered == 0) {
    return fail(
        ErrorCode::Unavailable,
        "no object has been delivered to S3 yet, so that nobody knows how far these records "
        "compress: wait for the first, or POST /api/v1/deliver");
  }
  const double months = uptime / (kHoursPerMonth * 3600);
  const double logs_share = waiting_too(facts.cloudwatch_logs), s3_share = waiting_too(facts.s3);
  const auto gb = [&](uint64_t bytes) { return static_cast<double>(bytes) / kGb / months; };
  const Volume volume{
      .gb_per_month = gb(facts.text_bytes),
      .errors_gb_per_month = gb(facts.cloudwatch_logs.bytes) * logs_share,
      .s3_gb_per_month = gb(facts.s3.bytes) * s3_share,
      .s3_objects_per_month = static_cast<double>(facts.s3.requests) / months * s3_share};
  Deployment deployment;
  deployment.tasks = 1;
  const CostEstimate estimate = estimate_cost(volume, deployment, *prices);
  const std::string rest = render_json(estimate, *prices);
  return fmt::format(
      "{{\"measured\":{{\"uptime_s\":{:.0f},\"reloads\":{},\"records\":{},\"log_text_bytes\":{},"
      "\"cloudwatch_logs_bytes\":{},\"s3_bytes\":{},\"s3_objects\":{},\"s3_records_waiting\":{}}},"
      "\"per_month\":{{\"log_text_gb\":{:.4f},\"cloudwatch_logs_gb\":{:.4f},\"s3_gb\":{:.4f},"
      "\"s3_objects\":{:.0f},\"tasks\":1,\"month\":{:.0f}}},{}\n",
      uptime, facts.reloads, facts.records, facts.text_bytes, facts.cloudwatch_logs.bytes,
      facts.s3.bytes, facts.s3.requests, less(facts.s3.routed, facts.s3.delivered),
      volume.gb_per_month, volume.errors_gb_per_month, volume.s3_gb_per_month,
      volume.s3_objects_per_month, deployment.month, rest.substr(1));
}

}  // namespace noroshi
