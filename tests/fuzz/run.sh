#!/bin/sh
# run.sh DIRECTORY SECONDS: every libFuzzer target in DIRECTORY for so long, beginning with what it found before.
set -eu
for target in bson frames filters updates pipelines; do
  mkdir -p "$1/corpus/$target"
  echo "$target"
  "$1/fuzz_$target" "$1/corpus/$target" -max_total_time="$2" -max_len=4096 -rss_limit_mb=2048 -print_final_stats=1 2>&1 | tail -4
done
