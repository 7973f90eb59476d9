#include "parser/stock_parsers.h"

namespace noroshi {

// Names, patterns and time formats are those users' configurations and dashboards depend on
// (fluent-bit conf/parsers.conf, 5.1; Apache-2.0): they are an interface, and stay letter for
// letter.
std::vector<ParserOptions> stock_parsers() {
  return {
      {.name = "apache",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +()re"
           R"re(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\")re"
           R"re(]*)" "(?<agent>[^\"]*)")?$)re",
       .time_format = "%d/%b/%Y:%H:%M:%S %z"},
      {.name = "apache2",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +()re"
           R"re(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "()re"
           R"re(?<agent>.*)")?$)re",
       .time_format = "%d/%b/%Y:%H:%M:%S %z"},
      {.name = "apache_error",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^\[[^ ]* (?<time>[^\]]*)\] \[(?<level>[^\]]*)\](?: \[pid (?<pid>[^\]]*)\])?( \)re"
           R"re([client (?<client>[^\]]*)\])? (?<message>.*)$)re"},
      {.name = "nginx",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method)re"
           R"re(>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<r)re"
           R"re(eferer>[^\"]*)" "(?<agent>[^\"]*)"))re",
       .time_format = "%d/%b/%Y:%H:%M:%S %z"},
      {.name = "k8s-nginx-ingress",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^(?<host>[^ ]*) - (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<pa)re"
           R"re(th>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*) "(?<referer>[^\"]*)" "()re"
           R"re(?<agent>[^\"]*)" (?<request_length>[^ ]*) (?<request_time>[^ ]*) \[(?<proxy_up)re"
           R"re(stream_name>[^ ]*)\] (\[(?<proxy_alternative_upstream_name>[^ ]*)\] )?(?<upstr)re"
           R"re(eam_addr>[^ ]*) (?<upstream_response_length>[^ ]*) (?<upstream_response_time>[)re"
           R"re(^ ]*) (?<upstream_status>[^ ]*) (?<reg_id>[^ ]*).*$)re",
       .time_format = "%d/%b/%Y:%H:%M:%S %z"},
      {.name = "json", .format = ParserFormat::Json, .time_format = "%d/%b/%Y:%H:%M:%S %z"},
      {.name = "logfmt", .format = ParserFormat::Logfmt},
      {.name = "docker",
       .format = ParserFormat::Json,
       .time_format = "%Y-%m-%dT%H:%M:%S.%L",
       .time_keep = true},
      {.name = "docker-daemon",
       .format = ParserFormat::Regex,
       .regex = R"re(time="(?<time>[^ ]*)" level=(?<level>[^ ]*) msg="(?<msg>[^ ].*)")re",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L",
       .time_keep = true},
      {.name = "syslog-rfc5424",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^\<(?<pri>[0-9]{1,5})\>1 (?<time>[^ ]+) (?<host>[^ ]+) (?<ident>[^ ]+) (?<pid>)re"
           R"re([-0-9]+) (?<msgid>[^ ]+) (?<extradata>(\[(.*?)\]|-)) (?<message>.+)$)re",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L%z",
       .time_keep = true},
      {.name = "syslog-rfc3164-local",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^\<(?<pri>[0-9]+)\>(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<ident>[a-zA-Z0-9_\/\.\-])re"
           R"re(*)(?:\[(?<pid>[0-9]+)\])?(?:[^\:]*\:)? *(?<message>.*)$)re",
       .time_format = "%b %d %H:%M:%S",
       .time_keep = true},
      {.name = "syslog-rfc3164",
       .format = ParserFormat::Regex,
       .regex =
           R"re(/^\<(?<pri>[0-9]+)\>(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<host>[^ ]*) (?<ident>[a)re"
           R"re(-zA-Z0-9_\/\.\-]*)(?:\[(?<pid>[0-9]+)\])?(?:[^\:]*\:)? *(?<message>.*)$/)re",
       .time_format = "%b %d %H:%M:%S",
       .time_keep = true},
      {.name = "mongodb",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^(?<time>[^ ]*)\s+(?<severity>\w)\s+(?<component>[^ ]+)\s+\[(?<context>[^\]]+))re"
           R"re(]\s+(?<message>.*?) *(?<ms>(\d+))?(:?ms)?$)re",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L",
       .time_keep = true},
      {.name = "envoy",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^\[(?<start_time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)? (?)re"
           R"re(<protocol>\S+)" (?<code>[^ ]*) (?<response_flags>[^ ]*) (?<bytes_received>[^ ])re"
           R"re(*) (?<bytes_sent>[^ ]*) (?<duration>[^ ]*) (?<x_envoy_upstream_service_time>[^)re"
           R"re( ]*) "(?<x_forwarded_for>[^ ]*)" "(?<user_agent>[^\"]*)" "(?<request_id>[^\"]*)re"
           R"re()" "(?<authority>[^ ]*)" "(?<upstream_host>[^ ]*)")re",
       .time_key = "start_time",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L%z",
       .time_keep = true},
      {.name = "istio-envoy-proxy",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^\[(?<start_time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)? (?)re"
           R"re(<protocol>\S+)" (?<response_code>[^ ]*) (?<response_flags>[^ ]*) (?<response_c)re"
           R"re(ode_details>[^ ]*) (?<connection_termination_details>[^ ]*) "(?<upstream_trans)re"
           R"re(port_failure_reason>[^ ]*)" (?<bytes_received>[^ ]*) (?<bytes_sent>[^ ]*) (?<d)re"
           R"re(uration>[^ ]*) (?<x_envoy_upstream_service_time>[^ ]*) "(?<x_forwarded_for>[^ )re"
           R"re(]*)" "(?<user_agent>[^\"]*)" "(?<x_request_id>[^\"]*)" "(?<authority>[^ ]*)" ")re"
           R"re((?<upstream_host>[^ ]*)" (?<upstream_cluster>[^ ]*) (?<upstream_local_address>)re"
           R"re([^ ]*) (?<downstream_local_address>[^ ]*) (?<downstream_remote_address>[^ ]*) )re"
           R"re((?<requested_server_name>[^ ]*) (?<route_name>[^  ]*)$)re",
       .time_key = "start_time",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L%z",
       .time_keep = true},
      {.name = "cri",
       .format = ParserFormat::Regex,
       .regex = R"re(^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$)re",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L%z",
       .time_keep = true},
      {.name = "kube-custom",
       .format = ParserFormat::Regex,
       .regex =
           R"re((?<tag>[^.]+)?\.?(?<pod_name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9]([-a-)re"
           R"re(z0-9]*[a-z0-9])?)*)_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<docker_i)re"
           R"re(d>[a-z0-9]{64})\.log$)re"},
      {.name = "kmsg-netfilter-log",
       .format = ParserFormat::Regex,
       .regex =
           R"re(^\<(?<pri>[0-9]{1,5})\>1 (?<time>[^ ]+) (?<host>[^ ]+) kernel - - - \[[0-9\.]*)re"
           R"re(\] (?<logprefix>[^ ]*)\s?IN=(?<in>[^ ]*) OUT=(?<out>[^ ]*) MAC=(?<macsrc>[0-9a)re"
           R"re(-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}):(?<macdst>)re"
           R"re([0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}):(?<et)re"
           R"re(htype>[0-9a-f]{2}:[0-9a-f]{2}) SRC=(?<saddr>[^ ]*) DST=(?<daddr>[^ ]*) LEN=(?<)re"
           R"re(len>[^ ]*) TOS=(?<tos>[^ ]*) PREC=(?<prec>[^ ]*) TTL=(?<ttl>[^ ]*) ID=(?<id>[^)re"
           R"re( ]*) (D*F*)\s*PROTO=(?<proto>[^ ]*)\s?((SPT=)?(?<sport>[0-9]*))\s?((DPT=)?(?<d)re"
           R"re(port>[0-9]*))\s?((LEN=)?(?<protolen>[0-9]*))\s?((WINDOW=)?(?<window>[0-9]*))\s)re"
           R"re(?((RES=)?(?<res>0?x?[0-9]*))\s?(?<flag>[^ ]*)\s?((URGP=)?(?<urgp>[0-9]*)))re",
       .time_format = "%Y-%m-%dT%H:%M:%S.%L%z"},
  };
}

}  // namespace noroshi
