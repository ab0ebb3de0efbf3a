//! The files that start a training: LLaMA-Factory's configuration, DeepSpeed's, and scripts for a shell and for Slurm.
//! Their paths are relative to the training's folder, so that it can be copied to a cluster and back.

use std::fmt::Write;

use super::recipe::{Recipe, yaml_text};
use super::{Base, BaseError};

/// What a configuration depends on beside the recipe.
pub(super) struct Subject<'a> {
    pub(super) data_sets: Vec<&'a str>,
    pub(super) base: &'a Base,
    pub(super) seed: u32,
}

/// `train.yaml`. Ours first, then the recipe's in the order of their names.
pub(super) fn configuration(subject: &Subject, recipe: &Recipe) -> Result<String, BaseError> {
    let mut lines = vec![
        ("model_name_or_path", yaml_text(&subject.base.location()?)),
        ("stage", yaml_text("sft")),
        ("do_train", "true".to_owned()),
        // LLaMA-Factory reads all of them and shuffles their records together.
        ("dataset", yaml_text(&subject.data_sets.join(","))),
        ("dataset_dir", yaml_text("data")),
        ("output_dir", yaml_text("model")),
        // With true, an interrupted training would begin anew instead of going on from its newest checkpoint.
        ("overwrite_output_dir", "false".to_owned()),
        ("seed", subject.seed.to_string()),
        // With true, the default, a loss that is no number is logged as 0.
        ("logging_nan_inf_filter", "false".to_owned()),
        ("report_to", yaml_text("none")),
    ];
    if let Base::Hub { revision: Some(revision), .. } = subject.base {
        lines.push(("model_revision", yaml_text(revision)));
    }
    if recipe.zero_2 {
        lines.push(("deepspeed", yaml_text("zero-2.json")));
    }
    let recipe = recipe.settings.iter().map(|(key, value)| (key.as_str(), value.clone()));
    let mut text = String::new();
    for (key, value) in lines.into_iter().chain(recipe) {
        let _ = writeln!(text, "{key}: {value}");
    }
    Ok(text)
}

/// `zero-2.json`: gradients and the optimizer's state are split among devices, weights are not. Batch and precision are
/// left to LLaMA-Factory's own arguments.
pub(super) fn zero_2() -> String {
    let auto = "auto";
    let value = serde_json::json!({
        "train_batch_size": auto,
        "train_micro_batch_size_per_gpu": auto,
        "gradient_accumulation_steps": auto,
        "gradient_clipping": auto,
        "bf16": { "enabled": auto },
        "fp16": { "enabled": auto },
        // torch's AdamW is the optimizer: DeepSpeed's own is compiled when it is first used, which takes nvcc.
        "zero_allow_untested_optimizer": true,
        "zero_optimization": {
            "stage": 2,
            "contiguous_gradients": true,
            "overlap_comm": true,
            "reduce_scatter": true,
            "allgather_partitions": true,
        },
    });
    format!("{value:#}\n")
}

/// `train.sh`. It is what `train` runs as well.
pub(super) fn shell(base: &Base, recipe: &Recipe) -> String {
    let devices = if recipe.on_cpu() {
        // Otherwise LLaMA-Factory starts a process for each GPU that it sees.
        "export CUDA_VISIBLE_DEVICES=\n\
        # Threads that wait for each other by spinning hold each other up where other programs use the cores.\n\
        export OMP_WAIT_POLICY=\"${OMP_WAIT_POLICY:-passive}\"\ndevices=1\n"
    } else {
        DEVICES
    };
    let launcher = if recipe.zero_2 {
        "# DeepSpeed wants to be started by torchrun, also on one device.\nexport FORCE_TORCHRUN=1\n"
    } else {
        ""
    };
    let offline = match base {
        Base::Hub { .. } => "",
        Base::Folder(_) | Base::Gguf(_) => "export HF_HUB_OFFLINE=1\n",
    };
    SHELL
        .replace("@DEVICES@", devices)
        .replace("@LAUNCHER@", launcher)
        .replace("@OFFLINE@", offline)
        .replace("@ACCUMULATION@", &recipe.accumulation_of_all().to_string())
}

/// Counts devices. The variable is CUDA's own, and a cluster sets it to the GPUs of a job.
const DEVICES: &str = r#"if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
    visible=$(echo "$CUDA_VISIBLE_DEVICES" | tr , '\n' | grep -c .)
else
    visible=$({ nvidia-smi --list-gpus 2>/dev/null || true; } | grep -c '^GPU' || true)
fi
devices=${DEVICES:-$visible}
"#;

const SHELL: &str = r#"#!/bin/sh
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
"#;

/// `train.slurm`, for one machine of a cluster.
pub(super) fn slurm(recipe: &Recipe) -> String {
    let devices = if recipe.on_cpu() {
        "#SBATCH --cpus-per-task=8\n".to_owned()
    } else {
        format!("#SBATCH --gres=gpu:{}\n", recipe.devices)
    };
    SLURM.replace("@DEVICES@", &devices)
}

const SLURM: &str = r#"#!/bin/sh
#SBATCH --job-name=gra-train
#SBATCH --nodes=1
#SBATCH --ntasks=1
@DEVICES@#SBATCH --time=24:00:00
#SBATCH --output=train.log
#SBATCH --open-mode=append
#SBATCH --requeue
# sbatch train.slurm, in this folder, with llamafactory-cli on PATH. A job that is started again goes on from its newest
# checkpoint. Partition, account and modules are your cluster's.
set -eu
cd "$SLURM_SUBMIT_DIR"
srun sh train.sh
"#;
