#!/bin/bash
# noroshi-localaws, proved by Docker's awslogs log driver (AWS SDK for Go inside dockerd). Starts a docker daemon of
# its own, with its own directories and socket, and an image made of busybox; nothing is downloaded.
#
#   NOROSHI_BIN_DIR=build/release/bin tests/docker/awslogs_driver_test.sh
#
# Exits 77 (skipped) with the reason where no daemon can be started. Needs root, docker.io and busybox-static.
set -euo pipefail

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; echo "--- dockerd:"; tail -5 "$work/dockerd.log" || true; exit 1; }

: "${NOROSHI_BIN_DIR:?says where noroshi-localaws is}"
[ "$(id -u)" = 0 ] || skip "a docker daemon needs root"
dockerd=$(command -v dockerd || ls /usr/sbin/dockerd 2>/dev/null) || skip "no dockerd (apt-get install docker.io)"
command -v docker >/dev/null || skip "no docker client"
busybox=$(command -v busybox) || skip "no busybox (apt-get install busybox-static)"
"$busybox" true || skip "busybox does not run"

work=$(mktemp -d /tmp/noroshi-docker-XXXXXX)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work" 2>/dev/null || true
}
trap cleanup EXIT

export AWS_ACCESS_KEY_ID=AKIADOCKER AWS_SECRET_ACCESS_KEY=docker/secret AWS_EC2_METADATA_DISABLED=true
"$NOROSHI_BIN_DIR/noroshi-localaws" --data "$work/data" --port 0 --port-file "$work/port" --region eu-west-1 \
  --access-key "$AWS_ACCESS_KEY_ID" --secret-key "$AWS_SECRET_ACCESS_KEY" >/dev/null &
pids+=($!)
for _ in $(seq 50); do [ -s "$work/port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat "$work/port")

export DOCKER_HOST=unix://$work/docker.sock
"$dockerd" --data-root "$work/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" --host "$DOCKER_HOST" \
  --bridge none --iptables=false --storage-driver vfs >"$work/dockerd.log" 2>&1 &
daemon=$!
pids+=("$daemon")
for _ in $(seq 150); do
  docker info >/dev/null 2>&1 && break
  kill -0 "$daemon" 2>/dev/null || skip "no docker daemon can be started here: $(tail -1 "$work/dockerd.log")"
  sleep 0.2
done
docker info >/dev/null 2>&1 || skip "the docker daemon does not answer after 30 s"
mkdir -p "$work/root/bin" && cp "$(readlink -f "$busybox")" "$work/root/bin/busybox"
tar -C "$work/root" -c . | docker import - noroshi-busybox >/dev/null ||
  skip "no image can be made here (inside a chroot?)"

run() { # run NAME SECRET COMMAND: in a container that logs with awslogs
  docker run --name "$1" --network none --log-driver awslogs --log-opt awslogs-endpoint="$url" \
    --log-opt awslogs-region=eu-west-1 --log-opt awslogs-group=/docker/test --log-opt awslogs-stream="$1" \
    --log-opt awslogs-create-group=true noroshi-busybox /bin/busybox sh -c "$2"
}
run probe "true" >"$work/probe" 2>&1 || {
  grep -qiE 'awslogs|log driver|logging' "$work/probe" && fail "$(cat "$work/probe")"
  skip "no container can be run here: $(tail -1 "$work/probe")"
}

lines=3000
run lines "i=0; while [ \$i -lt $lines ]; do echo \"line \$i and some more\"; i=\$((i+1)); done; echo 日本語" >/dev/null
/usr/bin/python3 - "$url" "$lines" <<'PYTHON' || fail "what CloudWatch holds is not what the container wrote"
import sys, boto3
url, lines = sys.argv[1], int(sys.argv[2])
logs = boto3.client("logs", endpoint_url=url, region_name="eu-west-1")
pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/docker/test", logStreamNames=["lines"])
got = [event["message"] for page in pages for event in page["events"]]
wanted = [f"line {n} and some more" for n in range(lines)] + ["日本語"]
if got != wanted:
    sys.exit(f"{len(got)} messages instead of {len(wanted)}; the first difference: "
             f"{next(((g, w) for g, w in zip(got, wanted) if g != w), None)}")
print(f"{len(got)} lines through Docker's awslogs driver, in order, none lost")
PYTHON
echo "1 passed, 0 failed"
