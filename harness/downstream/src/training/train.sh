#!/bin/sh
# Trains the model of this folder, or goes on with it. llamafactory-cli must be on PATH.
#
#   sh train.sh                  on all GPUs of this machine
#   DEVICES=4 sh train.sh        on four of them; the batch stays the same
#   BASE=DIR sh train.sh         the base model is in DIR, here; its hashes are compared when the result is imported
#
# The folder can be copied to another machine and back. gra-bench then reads it: gra-bench train import FOLDER
set -eu
cd "$(dirname "$0")"

# Held until the last process of the training has ended.
exec 9>.running
if command -v flock >/dev/null && ! flock -n 9; then
    echo "another training runs in this folder" >&2
    exit 75
fi

@DEVICES@[ "$devices" -gt 0 ] || devices=1
# Gradients are added up so often before a step, over all devices.
accumulation=@ACCUMULATION@
if [ $((accumulation % devices)) -ne 0 ]; then
    echo "$accumulation batches for a step are not the same number on each of $devices devices; set DEVICES" >&2
    exit 2
fi
export NPROC_PER_NODE="$devices"
@LAUNCHER@@OFFLINE@# A checkpoint's state is written last. One without it was cut off, and would be resumed from all the same.
for checkpoint in model/checkpoint-*; do
    if [ -d "$checkpoint" ] && [ ! -f "$checkpoint/trainer_state.json" ]; then
        aside=model/cut-off-${checkpoint##*-}
        rm -rf "$aside"
        mv "$checkpoint" "$aside"
    fi
done

# Data sets are read into this cache; one of its own keeps trainings apart.
export HF_DATASETS_CACHE="$PWD/cache"

command -v llamafactory-cli >/dev/null || { echo "no llamafactory-cli on PATH; scripts/engines llamafactory" >&2; exit 127; }
python=$(dirname "$(command -v llamafactory-cli)")/python
[ -x "$python" ] || python=python3
# What this run is made with, for the training's record.
"$python" - "$devices" "${BASE:-}" <<'PYTHON' >>sessions.jsonl
import hashlib, json, os, platform, re, sys, time
from importlib import metadata

devices, base = int(sys.argv[1]), sys.argv[2]
if not base:
    with open("train.yaml") as file:
        base = json.loads(re.search(r"^model_name_or_path: (.*)$", file.read(), re.MULTILINE)[1])
versions = {"python": platform.python_version()}
for package in ("accelerate", "datasets", "deepspeed", "flash-attn", "llamafactory", "torch", "transformers"):
    try:
        versions[package] = metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
files = {}
names = sorted(os.listdir(base)) if os.path.isdir(base) else []
for name in names:
    if name == "config.json" or name.endswith(".safetensors") or re.fullmatch(r"pytorch_model.*\.bin", name):
        digest = hashlib.sha256()
        with open(os.path.join(base, name), "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        files[name] = digest.hexdigest()
print(json.dumps({"started": int(time.time()), "devices": devices, "versions": versions, "base": files}))
PYTHON

set -- train train.yaml "gradient_accumulation_steps=$((accumulation / devices))"
[ -z "${BASE:-}" ] || set -- "$@" "model_name_or_path=$BASE"
llamafactory-cli "$@"
echo "{\"ended\": $(date +%s)}" >>sessions.jsonl
rm -rf cache
