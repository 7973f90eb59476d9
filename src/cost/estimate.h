// What a month of logs costs, line by line: before (everything to CloudWatch Logs) and after
// (errors there, everything to S3), as in the specification's table, with its arithmetic corrected.
// `noroshi cost` fills in the volume from its flags, the admin API from the router's own counters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cost/prices.h"

namespace noroshi {

// A month of 730 hours, as AWS's calculator has it. GB are 10^9 bytes of log text.
inline constexpr double kHoursPerMonth = 730;

struct Volume {
  double gb_per_month = 100;        // all log text, as the containers write it
  double errors_gb_per_month = 10;  // of which CloudWatch Logs still gets
  double s3_gb_per_month = 30;      // of which S3 gets, compressed
  double s3_objects_per_month = 0;  // PUT requests; each object also moves to Glacier once
};

struct Deployment {
  double logs_retention_months = 1;  // of the log groups, both before and after
  double month = 12;                 // which month: what S3 keeps grows
  double glacier_after_months = 3;   // the specification's lifecycle rule: 90 days
  double tasks = 2;
  double router_memory_gb = 0.05;
  double images = 5;
  double image_gb = 0.04;
  double interface_endpoints =
      3;  // logs, ecr.api, ecr.dkr; S3 has a gateway endpoint, which is free
  double zones = 2;
};

struct CostLine {
  std::string_view name;
  double before = 0;  // US dollars a month
  double after = 0;
  std::string basis;  // "100 GB x $0.76"
};

struct CostEstimate {
  std::vector<CostLine> lines;
  double before = 0;
  double after = 0;
  [[nodiscard]] double saving() const { return before - after; }
};

[[nodiscard]] CostEstimate estimate_cost(const Volume& volume, const Deployment& deployment,
                                         const Prices& prices);

// The table for a terminal; the last lines name the source of the prices.
[[nodiscard]] std::string render_table(const CostEstimate& estimate, const Prices& prices);
// One JSON object: region, prices_read_on, lines [{name, before, after, basis}], before, after,
// saving, saving_per_year.
[[nodiscard]] std::string render_json(const CostEstimate& estimate, const Prices& prices);

}  // namespace noroshi
