#include "cost/prices.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace noroshi {
namespace {

// Sources, read on 2026-11-23: AWS's own pages show prices by script only, so these are articles
// that quote them, with their dates.
//   us-east-1: CloudWatch Logs https://c3x.dev/blog/cloudwatch-logs-cost-optimization (June 2026);
//     endpoints https://www.zacfukuda.com/blog/aws-nat-gateway-vs-vpc-endpoint (June 2026);
//     Fargate https://aws.strong-engineer.com/ecs/ecs_fargate_pricing (July 2024); S3 and ECR: the
//     price list as known in 2025, first 50 TB.
//   ap-northeast-1: CloudWatch Logs and S3 Standard
//     https://awsi.click/en/articles/cloudwatch-logs-cost-structure-surprise/; endpoints
//     https://chariosan.com/2022/03/29/ecs_fargate_vpc_endpoint_cost_bep/ (2022); Fargate
//     https://www.clyr.co.jp/posts/aws-fargate-pricing-breakdown-estimate-tips-3920 (September
//     2025); Glacier, PUT, transition and ECR: the price list as known in 2025.
constexpr std::array kPrices = {
    Prices{.region = "us-east-1",
           .read_on = "2026-11-23",
           .logs_ingestion_gb = 0.50,
           .logs_storage_gb_month = 0.03,
           .s3_standard_gb_month = 0.023,
           .s3_glacier_gb_month = 0.0036,
           .s3_put_1000 = 0.005,
           .s3_glacier_transition_1000 = 0.03,
           .ecr_gb_month = 0.10,
           .fargate_memory_gb_hour = 0.004445,
           .endpoint_hour = 0.01,
           .endpoint_gb = 0.01},
    Prices{.region = "ap-northeast-1",
           .read_on = "2026-11-23",
           .logs_ingestion_gb = 0.76,
           .logs_storage_gb_month = 0.033,
           .s3_standard_gb_month = 0.025,
           .s3_glacier_gb_month = 0.0045,
           .s3_put_1000 = 0.0047,
           .s3_glacier_transition_1000 = 0.03426,
           .ecr_gb_month = 0.10,
           .fargate_memory_gb_hour = 0.00553,
           .endpoint_hour = 0.014,
           .endpoint_gb = 0.01},
};

constexpr std::array kFields = {
    PriceField{"logs_ingestion_gb", "CloudWatch Logs, a GB taken in", &Prices::logs_ingestion_gb},
    PriceField{"logs_storage_gb_month", "CloudWatch Logs, a GB kept a month",
               &Prices::logs_storage_gb_month},
    PriceField{"s3_standard_gb_month", "S3 Standard, a GB kept a month",
               &Prices::s3_standard_gb_month},
    PriceField{"s3_glacier_gb_month", "S3 Glacier Flexible Retrieval, a GB kept a month",
               &Prices::s3_glacier_gb_month},
    PriceField{"s3_put_1000", "S3, 1,000 PUT requests", &Prices::s3_put_1000},
    PriceField{"s3_glacier_transition_1000", "S3, 1,000 objects moved to Glacier",
               &Prices::s3_glacier_transition_1000},
    PriceField{"ecr_gb_month", "ECR, a GB of images kept a month", &Prices::ecr_gb_month},
    PriceField{"fargate_memory_gb_hour", "Fargate, a GB of memory for an hour",
               &Prices::fargate_memory_gb_hour},
    PriceField{"endpoint_hour", "one interface endpoint in one zone for an hour",
               &Prices::endpoint_hour},
    PriceField{"endpoint_gb", "a GB through an interface endpoint", &Prices::endpoint_gb},
};

}  // namespace

std::span<const PriceField> price_fields() { return kFields; }
std::span<const Prices> known_prices() { return kPrices; }

Result<Prices> prices_of(std::string_view region) {
  std::string known;
  for (const Prices& prices : kPrices) {
    if (prices.region == region) return prices;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", prices.region);
  }
  return fail(ErrorCode::NotFound,
              fmt::format("no prices for region \"{}\" (there are {}): take the nearest and give "
                          "what differs with --price NAME=DOLLARS",
                          region, known));
}

Status override_price(Prices& prices, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  const std::string_view name = assignment.substr(0, equals);
  std::string known;
  for (const PriceField& field : kFields) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", field.name);
    if (field.name != name || equals == std::string_view::npos) continue;
    const std::string_view text = assignment.substr(equals + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
        value < 0) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("price {}: \"{}\" is not an amount in dollars", name, text));
    }
    prices.*field.member = value;
    return {};
  }
  return fail(
      ErrorCode::InvalidArgument,
      fmt::format("\"{}\" sets no price; NAME=DOLLARS with a NAME of: {}", assignment, known));
}

}  // namespace noroshi
