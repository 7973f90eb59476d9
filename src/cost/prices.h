// Prices of AWS that decide what a log pipeline costs, by region, each with where and when it was
// read. They change without notice: every report names the date, and each can be overridden.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace noroshi {

// US dollars, without tax, first tier, Linux/x86.
struct Prices {
  std::string_view region = {};
  std::string_view read_on = {};  // "2026-11-23"
  double logs_ingestion_gb = 0;   // CloudWatch Logs, standard class, custom logs
  double logs_storage_gb_month = 0;
  double s3_standard_gb_month = 0;
  double s3_glacier_gb_month = 0;  // Glacier Flexible Retrieval
  double s3_put_1000 = 0;
  double s3_glacier_transition_1000 = 0;
  double ecr_gb_month = 0;
  double fargate_memory_gb_hour = 0;
  double endpoint_hour = 0;  // one interface endpoint in one availability zone
  double endpoint_gb = 0;
};

// The name of a price on the command line and in JSON, and where it is kept.
struct PriceField {
  std::string_view name;
  std::string_view unit;
  double Prices::* member;
};
[[nodiscard]] std::span<const PriceField> price_fields();

[[nodiscard]] std::span<const Prices> known_prices();
// NotFound names the regions there are, and how to give prices for another.
[[nodiscard]] Result<Prices> prices_of(std::string_view region);
// "logs_ingestion_gb=0.57". InvalidArgument: unknown name, or not a number from 0 on.
[[nodiscard]] Status override_price(Prices& prices, std::string_view assignment);

}  // namespace noroshi
