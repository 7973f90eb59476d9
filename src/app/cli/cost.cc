#include <algorithm>
#include <cstdio>

#include "app/cli/verbs.h"
#include "cost/estimate.h"

namespace noroshi {

int print_cost(const CostArguments& arguments) {
  Result<Prices> prices = prices_of(arguments.region);
  if (!prices) {
    std::fprintf(stderr, "noroshi cost: %s\n", prices.error().message.c_str());
    return 1;
  }
  for (const std::string& assignment : arguments.prices) {
    if (const Status set = override_price(*prices, assignment); !set) {
      std::fprintf(stderr, "noroshi cost: %s\n", set.error().message.c_str());
      return 1;
    }
  }
  const Volume volume{.gb_per_month = arguments.gb_per_month,
                      .errors_gb_per_month = arguments.gb_per_month * arguments.error_share,
                      .s3_gb_per_month = arguments.gb_per_month / arguments.gzip_ratio,
                      .s3_objects_per_month = arguments.tasks * kHoursPerMonth * 60 /
                                              std::max(arguments.upload_minutes, 0.1)};
  const Deployment deployment{.logs_retention_months = arguments.retention_months,
                              .month = arguments.month,
                              .tasks = arguments.tasks,
                              .zones = arguments.zones};
  const CostEstimate estimate = estimate_cost(volume, deployment, *prices);
  std::fputs(
      (arguments.json ? render_json(estimate, *prices) + "\n" : render_table(estimate, *prices))
          .c_str(),
      stdout);
  return 0;
}

}  // namespace noroshi
