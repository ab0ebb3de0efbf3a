//! How a model is trained: LLaMA-Factory's own arguments, as a table of TOML. What depends on the training at hand (base,
//! data, folders, seed) is no part of a recipe and is refused in one.
//!
//! From both come the files that start a training: LLaMA-Factory's configuration, DeepSpeed's, and scripts for a shell and
//! for Slurm. Their paths are relative to the training's folder, so that it can be copied to a cluster and back.

use std::collections::BTreeMap;
use std::fmt::Write;

use gra_files::digest;
use toml::Value;

use super::TrainingError::{self, Unusable};
use super::{Base, TrainingPlan};

/// The ZeRO stage 2 of DeepSpeed, as the value of `deepspeed`.
const ZERO_2: &str = "zero-2";

/// Keys that are set here, and why a recipe cannot set them.
const OURS: [(&str, &str); 16] = [
    ("model_name_or_path", "the base model is an argument of its own"),
    ("model_revision", "the revision is written after the base model's name: NAME@REVISION"),
    ("adapter_name_or_path", "a training starts from a whole model"),
    ("dataset", "the data sets are arguments of their own"),
    ("eval_dataset", "trained models are scored on benchmarks, by engines of their own"),
    ("dataset_dir", "the data sets are written into the training's folder"),
    ("output_dir", "the model is written into the training's folder"),
    ("overwrite_output_dir", "an interrupted training is resumed from its checkpoint"),
    ("resume_from_checkpoint", "the newest whole checkpoint is taken"),
    ("seed", "the training seed is an argument of its own"),
    ("data_seed", "the training seed orders the data as well"),
    ("stage", "it is always sft, supervised fine-tuning"),
    ("do_train", "it is always true"),
    ("report_to", "the training's record is its report"),
    (
        "logging_nan_inf_filter",
        "it is always false: with it a loss that is no number is logged as 0",
    ),
    ("save_only_model", "a training is resumed from the optimizer's state as well"),
];

/// A checked recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What it is called in records: `paper`, `smoke`, or its file's name.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: String,
    /// Arguments of LLaMA-Factory by their names; values as YAML writes them.
    pub settings: BTreeMap<String, String>,
    /// How many devices make up the batch, with `gradient_accumulation_steps` on each.
    pub devices: u32,
    /// Records on a device at a time.
    pub per_device: u32,
    /// Times that a device adds up gradients before a step, with `devices` of them.
    pub accumulation: u32,
    /// Whether gradients and the optimizer's state are split among devices (`deepspeed = "zero-2"`).
    pub zero_2: bool,
}

impl Recipe {
    /// Reads a recipe's text.
    ///
    /// # Errors
    /// When it is no flat table, or sets what is not its to set.
    pub fn parse(name: &str, text: &str) -> Result<Self, TrainingError> {
        let mut table: toml::Table = toml::from_str(text)
            .map_err(|error| Unusable(format!("recipe {name} is no TOML: {error}")))?;
        if let Some((key, reason)) = OURS.into_iter().find(|(key, _)| table.contains_key(*key)) {
            return Err(Unusable(format!(
                "recipe {name} sets `{key}`: {reason}\nhint: remove `{key}` from the recipe"
            )));
        }
        let wrong = |key: &str, value: &Value, expected: &str| {
            Unusable(format!("recipe {name} sets `{key}` to {value}: {expected}"))
        };
        let count = |table: &toml::Table, key: &str| match table.get(key) {
            None => Ok(1),
            Some(value) => {
                let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| *number > 0);
                number.ok_or_else(|| wrong(key, value, "it must be a whole number above 0"))
            }
        };
        let devices = count(&table, "devices")?;
        let accumulation = count(&table, "gradient_accumulation_steps")?;
        let per_device = count(&table, "per_device_train_batch_size")?;
        // Ours: with it the batch stays the same on other devices. LLaMA-Factory has no such argument.
        table.remove("devices");
        let zero_2 = match table.remove("deepspeed") {
            None => false,
            Some(value) if value.as_str() == Some(ZERO_2) => true,
            Some(value) => {
                return Err(wrong("deepspeed", &value, "only \"zero-2\" is known, or no such key"));
            }
        };
        if let Some(value) = table.get("finetuning_type")
            && value.as_str() != Some("full")
        {
            let expected = "it must be \"full\", since what follows reads a whole model";
            return Err(wrong("finetuning_type", value, expected));
        }
        // Steps are what progress is shown from, and the loss curve's points.
        table.entry("logging_steps").or_insert(Value::Integer(1));
        let mut settings = BTreeMap::new();
        for (key, value) in &table {
            let text = yaml_value(value).map_err(|expected| wrong(key, value, expected))?;
            settings.insert(key.clone(), text);
        }
        let (name, sha256) = (name.to_owned(), digest::of_bytes(text));
        Ok(Self { name, sha256, settings, devices, per_device, accumulation, zero_2 })
    }

    /// Whether it trains on the CPU, where there is one device.
    #[must_use]
    pub fn on_cpu(&self) -> bool {
        self.settings.get("use_cpu").is_some_and(|value| value == "true")
    }

    /// Whether records are put into the base model's own chat template, because the recipe names no other.
    #[must_use]
    pub fn needs_chat_template(&self) -> bool {
        !self.settings.contains_key("template")
    }

    /// How often gradients are added up before a step, over all devices.
    #[must_use]
    pub const fn accumulation_of_all(&self) -> u64 {
        self.accumulation as u64 * self.devices as u64
    }
}

/// A value as YAML 1.1 reads it back with its type, or what it must be instead.
fn yaml_value(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(yaml_text(text)),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) if number.is_finite() => Ok(yaml_number(*number)),
        Value::Float(_) => Err("it must be a finite number"),
        Value::Boolean(flag) => Ok(flag.to_string()),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(yaml_value).collect::<Result<_, _>>()?;
            Ok(format!("[{}]", values.join(", ")))
        }
        Value::Table(_) | Value::Datetime(_) => {
            Err("it must be text, a number, true or false, or a list of these")
        }
    }
}

/// Quoted as JSON, which YAML reads as well: a bare `no` or `1e5` would not stay text.
fn yaml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `PyYAML` takes `5e-6` for text: a number has a point, and an exponent has a sign.
fn yaml_number(number: f64) -> String {
    // In this range Rust writes a point and no exponent.
    if number == 0.0 || (1e-4..1e16).contains(&number.abs()) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}{point}e{sign}{digits:0>2}")
}

/// `train.yaml`. Ours first, then the recipe's in the order of their names.
pub(super) fn configuration(plan: &TrainingPlan) -> Result<String, TrainingError> {
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
        lines.push(("deepspeed", yaml_text(super::file::ZERO_2)));
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
pub(super) const ZERO_2_CONFIGURATION: &str = include_str!("zero-2.json");

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_to_pyyaml() {
        for (number, text) in [
            (5e-6, "5.0e-06"),
            (1.5e-5, "1.5e-05"),
            (-2e-7, "-2.0e-07"),
            (0.03, "0.03"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (1e20, "1.0e+20"),
        ] {
            assert_eq!(yaml_number(number), text);
        }
    }

    #[test]
    fn the_recipes_that_come_along() {
        let paper = include_str!("../../../../experiments/recipes/paper.toml");
        let paper = Recipe::parse("paper", paper).unwrap();
        // The paper's batch of 256 records.
        assert_eq!(u64::from(paper.per_device) * paper.accumulation_of_all(), 256);
        assert!(paper.zero_2 && !paper.on_cpu() && !paper.needs_chat_template());
        assert_eq!(paper.settings["learning_rate"], "5.0e-06");
        assert!(!paper.settings.contains_key("devices"));
        let smoke = include_str!("../../../../experiments/recipes/smoke.toml");
        let smoke = Recipe::parse("smoke", smoke).unwrap();
        assert!(smoke.on_cpu() && !smoke.zero_2);
    }

    #[test]
    fn recipes_that_are_refused() {
        let cases = [
            ("seed = 1", "sets `seed`: the training seed is an argument of its own"),
            ("output_dir = 'x'", "hint: remove `output_dir` from the recipe"),
            ("deepspeed = 'zero-3'", "only \"zero-2\" is known"),
            ("finetuning_type = 'lora'", "it must be \"full\""),
            ("learning_rate = nan", "it must be a finite number"),
            ("devices = 0", "whole number above 0"),
            ("[optimizer]\nname = 'x'", "sets `optimizer`"),
            ("learning_rate 1", "is no TOML"),
        ];
        for (text, said) in cases {
            let error = Recipe::parse("mine", text).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("mine"), "{text}: {error}");
        }
    }
}
