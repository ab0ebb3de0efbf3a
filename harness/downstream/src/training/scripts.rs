//! The files that start a training: LLaMA-Factory's configuration, DeepSpeed's, and scripts for a shell and for Slurm.
//! Their paths are relative to the training's folder, so that it can be copied to a cluster and back.

use std::fmt::Write;

use super::recipe::{Recipe, yaml_text};
use super::{Base, BaseError, TrainingPlan};

/// `train.yaml`. Ours first, then the recipe's in the order of their names.
pub(super) fn configuration(plan: &TrainingPlan) -> Result<String, BaseError> {
    let names: Vec<&str> = plan.data_sets.iter().map(|set| set.name.as_str()).collect();
    let mut lines = vec![
        ("model_name_or_path", yaml_text(&plan.base.location()?)),
        ("stage", yaml_text("sft")),
        ("do_train", "true".to_owned()),
        // LLaMA-Factory reads all of them and shuffles their records together.
        ("dataset", yaml_text(&names.join(","))),
        ("dataset_dir", yaml_text("data")),
        ("output_dir", yaml_text("model")),
        // With true, an interrupted training would begin anew instead of going on from its newest checkpoint.
        ("overwrite_output_dir", "false".to_owned()),
        ("seed", plan.seed.to_string()),
        // With true, the default, a loss that is no number is logged as 0.
        ("logging_nan_inf_filter", "false".to_owned()),
        ("report_to", yaml_text("none")),
    ];
    if let Base::Hub { revision: Some(revision), .. } = &plan.base {
        lines.push(("model_revision", yaml_text(revision)));
    }
    if plan.recipe.zero_2 {
        lines.push(("deepspeed", yaml_text("zero-2.json")));
    }
    let recipe = plan.recipe.settings.iter().map(|(key, value)| (key.as_str(), value.clone()));
    let mut text = String::new();
    for (key, value) in lines.into_iter().chain(recipe) {
        let _ = writeln!(text, "{key}: {value}");
    }
    Ok(text)
}

/// `zero-2.json`: gradients and the optimizer's state are split among devices, weights are not. Batch and precision are
/// left to LLaMA-Factory's own arguments. torch's `AdamW` is the optimizer, which is "untested": DeepSpeed's own is compiled
/// when it is first used, and that takes nvcc.
pub(super) const ZERO_2: &str = include_str!("zero-2.json");

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

/// `train.sh`, with its places for what a training's base and recipe decide.
const SHELL: &str = include_str!("train.sh");

/// `train.slurm`, for one machine of a cluster.
pub(super) fn slurm(recipe: &Recipe) -> String {
    let devices = if recipe.on_cpu() {
        "#SBATCH --cpus-per-task=8\n".to_owned()
    } else {
        format!("#SBATCH --gres=gpu:{}\n", recipe.devices)
    };
    SLURM.replace("@DEVICES@", &devices)
}

const SLURM: &str = include_str!("train.slurm");
