#!/usr/bin/env bash
# Measures, kills, resumes, merges, studies and reports the shipped network again and again, short of
# memory, on a disk that is nearly full, and in folders that cannot be written.
#
# usage: scripts/soak.sh [MINUTES] [PROGRAM]
#
# No record may be lost or doubled, no file be half written, no command end by anything but success, a
# signal that was sent, or one line of refusal, and no command take more memory than in the first
# rounds. Exits with 1 and what broke. The small disks need root; without, these rounds are left out
# aloud.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
minutes=${1:-60}
program=$(realpath "${2:-target/release/pathscope}")
model=$root/assets/preresnet20.safetensors
# Addresses in kilobytes: libtorch itself maps most of them.
addresses=2500000
# Growth of the peak that is still the same peak, in kilobytes.
allowed=40000
RANDOM=24

place=$(mktemp -d)
small=$place/small
closed=$place/closed
mkdir "$small" "$closed"
mounted=()
clean_up() {
  local folder
  for folder in ${mounted[@]+"${mounted[@]}"}; do umount -l "$folder"; done
  rm -rf "$place"
}
trap clean_up EXIT
if mount -t tmpfs -o size=4m tmpfs "$small" 2>/dev/null; then
  mounted+=("$small")
  mount -t tmpfs -o size=4m tmpfs "$closed" && mounted+=("$closed")
else
  echo "soak: no small file system can be mounted, so full and read-only disks are left out"
fi

faults=0
broken() {
  faults=$((faults + 1))
  echo "soak: round $round: $*"
}

# run FOLDER WORDS...: runs the program; its exit in $code, its error in $said, its peak in $peak.
run() {
  local folder=$1
  shift
  python3 - "$folder" "$addresses" "$place/ended" "$program" -q "$@" 2>"$place/said" <<'WATCH'
import resource, subprocess, sys
folder, addresses, ended, *command = sys.argv[1:]
def limit():
    resource.setrlimit(resource.RLIMIT_AS, (int(addresses) << 10, int(addresses) << 10))
code = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, preexec_fn=limit).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(ended, "w").write(f"{code} {peak}\n")
WATCH
  read -r code peak <"$place/ended"
  said=$(cat "$place/said")
  if ((code < 0 || code > 2)) || [ "$(grep -c ^ "$place/said")" -gt 1 ]; then
    broken "'$*' ended with $code: $said"
  fi
}

# done_in FOLDER WORDS...: runs the program, which must succeed, and remembers its peak.
declare -A peaks
done_in() {
  run "$@"
  [ "$code" = 0 ] || broken "'${*:2}' ended with $code: $said"
  local name=$2
  if ((round <= 3)); then
    ((peak > ${peaks[$name]:-0})) && peaks[$name]=$peak
  elif ((peak > peaks[$name] + allowed)); then
    broken "$name takes $peak KB, in the first rounds ${peaks[$name]} KB"
  fi
}

# killed FOLDER WORDS...: starts the program and kills it within a second.
killed() {
  local folder=$1 id
  shift
  (cd "$folder" && ulimit -v "$addresses" && exec "$program" -q "$@" >/dev/null 2>&1) &
  id=$!
  sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
  kill -KILL "$id" 2>/dev/null
  wait "$id" 2>/dev/null
}

same() {
  cmp -s "$1" "$2" || broken "$1 differs from $2"
}

# kept OLD NEW: every whole record of OLD is in NEW, and no measurement is twice in it.
kept() {
  python3 - "$1" "$2" <<'KEPT' || broken "$2 has lost or doubled records of $1"
import json, sys
old, new = (open(name, "rb").read() for name in sys.argv[1:])
whole = [line for line in old.split(b"\n")[:-1]]
lines = new.split(b"\n")
keys = [json.loads(line).get("key") for line in lines if line]
sys.exit(lines[-1] != b"" or not set(whole) <= set(lines) or len(set(keys)) < len(keys))
KEPT
}

whole_page() {
  [ ! -e "$1" ] || [ "$(tail -c 8 "$1" | tr -d '\n')" = "</html>" ] || broken "$1 is half a page"
}

# Fills the small disk but for so many kilobytes.
fill() {
  rm -f "$small/.filling"
  cat /dev/zero >"$small/.filling" 2>/dev/null
  local length
  length=$(stat -c %s "$small/.filling")
  truncate -s $((length > 1024 * $1 ? length - 1024 * $1 : 0)) "$small/.filling"
}

sweep=(lesion "$model" --pairs --limit 60 --threads 1)
round=0
done_in "$place" "${sweep[@]}" --results wanted.jsonl

resumed_round() {
  local folder=$place/resumed part kills
  rm -rf "$folder" && mkdir "$folder"
  for ((kills = RANDOM % 4; kills > 0; kills--)); do
    killed "$folder" "${sweep[@]}" --results whole.jsonl
  done
  done_in "$folder" "${sweep[@]}" --results whole.jsonl
  same "$folder/whole.jsonl" "$place/wanted.jsonl"
  for part in 1 2 3; do
    killed "$folder" "${sweep[@]}" --results $part.jsonl --shard $part/3
    done_in "$folder" "${sweep[@]}" --results $part.jsonl --shard $part/3
  done
  done_in "$folder" merge -o merged.jsonl 3.jsonl 1.jsonl 2.jsonl
  same "$folder/merged.jsonl" "$place/wanted.jsonl"
  done_in "$folder" report whole.jsonl -o page.html
  whole_page "$folder/page.html"
}

study_round() {
  local folder=$place/study name study=(study "$model" -o run --budget 3s)
  rm -rf "$folder" && mkdir "$folder"
  killed "$folder" "${study[@]}"
  killed "$folder" "${study[@]}"
  mkdir "$folder/before"
  cp "$folder"/run/*.jsonl "$folder/before" 2>/dev/null
  done_in "$folder" "${study[@]}"
  for name in "$folder"/before/*.jsonl; do
    [ ! -e "$name" ] || kept "$name" "$folder/run/${name##*/}"
  done
  whole_page "$folder/run/report.html"
  cp -r "$folder/run" "$folder/again"
  done_in "$folder" "${study[@]}"
  for name in lesion spectrum reorder; do
    kept "$folder/again/$name.jsonl" "$folder/run/$name.jsonl"
  done
}

full_round() {
  rm -rf "$small"/*
  cp -r "$place/study/run" "$small/run"
  cp "$place/resumed/page.html" "$small/page.html"
  fill $((RANDOM % 40))
  run "$small" "${sweep[@]}" --results whole.jsonl
  [ "$code" = 0 ] || [[ $said == *"No space left"* ]] || broken "a full disk gives: $said"
  run "$small" report run -o page.html --force
  whole_page "$small/page.html"
  run "$small" study "$model" -o run --budget 3s
  whole_page "$small/run/report.html"
  run "$small" convert "$model" model.pt
  [ ! -e "$small/model.pt" ] || run "$small" inspect model.pt
  rm -f "$small/.filling" "$small/model.pt"
  done_in "$small" "${sweep[@]}" --results whole.jsonl
  same "$small/whole.jsonl" "$place/wanted.jsonl"
  for name in lesion spectrum reorder; do
    kept "$place/study/run/$name.jsonl" "$small/run/$name.jsonl"
  done
}

closed_round() {
  mount -o remount,rw "$closed"
  rm -rf "${closed:?}"/*
  cp -r "$place/study/run" "$place/wanted.jsonl" "$closed"
  mount -o remount,ro "$closed"
  local before words
  before=$(cd "$closed" && find . -type f -exec sha256sum {} + | sort)
  for words in "report run --force" "study $model -o run --budget 3s" "study $model -o new" \
    "${sweep[*]} --results wanted.jsonl" "${sweep[*]} --results new.jsonl" \
    "convert $model new.pt" "plot wanted.jsonl -o p.svg"; do
    # shellcheck disable=SC2086
    run "$closed" $words
    [ "$code" != 0 ] || broken "'$words' succeeds where nothing can be written"
  done
  [ "$before" = "$(cd "$closed" && find . -type f -exec sha256sum {} + | sort)" ] ||
    broken "a file on a read-only disk has changed"
}

end=$((SECONDS + 60 * minutes))
while ((SECONDS < end)); do
  round=$((round + 1))
  resumed_round
  study_round
  if [ ${#mounted[@]} = 2 ]; then
    full_round
    closed_round
  fi
done
for name in "${!peaks[@]}"; do
  echo "soak: $name took at most ${peaks[$name]} KB in the first rounds"
done
echo "soak: $round rounds in $minutes minutes, $faults faults"
((faults == 0))
