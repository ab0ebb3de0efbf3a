//! What was run, and how: enough to run it again, and to know every file that had a part in it.

use gra_synth::method::Method;
use serde_json::Value;

use super::markup::{Html, Table};
use super::material::{Material, SeedMaterial};
use super::verdict::{grouped, missing};

/// Inputs, models, and the method's parameters beside the paper's.
pub(super) fn making(material: &Material) -> Html {
    let mut html = inputs(material);
    html.push(&models(material));
    html.push(&variants(material));
    html.push(&parameters(material));
    html
}

fn inputs(material: &Material) -> Html {
    let trial = material.seeds[0].reference();
    let mut pairs = vec![
        ("Experiment", Html::text(&trial.row.id.experiment)),
        ("Seed set", hashed(&trial.card.seed_set, trial.inputs.seed_set_sha256.as_deref())),
        ("Seed items", number(trial.inputs.seed_items)),
        ("Prompts", hashed("nine templates", trial.inputs.prompts_sha256.as_deref())),
        ("Encoder", fingerprint(trial.inputs.encoder.as_deref())),
        ("Most calls that run together", number(trial.inputs.chunk)),
    ];
    match &material.manifest {
        Some(manifest) => pairs.push((
            "Made by",
            Html::text(format!("gra-bench {}, {}", manifest.gra_bench, manifest.engine)),
        )),
        None => pairs.push(("Made by", Html::text("no manifest.json beside this store says it"))),
    }
    let mut list = Html::default();
    for (name, value) in pairs {
        list.push(&Html::element("dt", "", &Html::text(name)));
        list.push(&Html::element("dd", "", &value));
    }
    Html::element("dl", "facts", &list)
}

const NOT_RECORDED: &str = "not recorded";

fn number(value: Option<u64>) -> Html {
    Html::text(value.map_or_else(|| NOT_RECORDED.to_owned(), grouped))
}

fn hashed(name: &str, sha256: Option<&str>) -> Html {
    let name = Html::text(format!("{name}, sha256 "));
    [name, code(sha256.unwrap_or(NOT_RECORDED))].into_iter().collect()
}

fn code(text: &str) -> Html {
    Html::element("code", "", &Html::text(text))
}

/// With places to break it at.
fn fingerprint(parts: Option<&str>) -> Html {
    code(&parts.map_or(NOT_RECORDED.to_owned(), |parts| parts.replace(';', "; ")))
}

fn models(material: &Material) -> Html {
    let trial = material.seeds[0].reference();
    let mut table = Table::new(
        "Models of the pool",
        &["Model", "file", "#parameters", "licence", "#temperature", "#top_p", "fingerprint"],
    );
    for model in &trial.card.models {
        let sampling = trial.inputs.sampling.get(&model.name);
        let of_model = trial.inputs.models.get(&model.name);
        let number = |value: Option<f32>| value.map_or_else(missing, |value| value.to_string());
        table.row(vec![
            Html::text(&model.name),
            Html::text(&model.source),
            Html::text(model.parameters.map_or_else(missing, scaled)),
            Html::text(model.licence.as_deref().unwrap_or("not stated")),
            Html::text(number(sampling.map(|sampling| sampling.temperature))),
            Html::text(number(sampling.map(|sampling| sampling.top_p))),
            fingerprint(of_model.map(String::as_str)),
        ]);
    }
    table.html()
}

/// `134.5M`, `7.6B`.
fn scaled(parameters: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let parameters = parameters as f64;
    if parameters >= 1e9 {
        format!("{:.1}B", parameters / 1e9)
    } else {
        format!("{:.1}M", parameters / 1e6)
    }
}

fn variants(material: &Material) -> Html {
    let mut table = Table::new(
        "Variants",
        &["Variant", "instructions", "roles", "reviewers", "scores", "disputes settled by"],
    );
    let mut seen: Vec<&str> = Vec::new();
    for (trial, _) in material.trials() {
        let variant = trial.variant();
        if seen.contains(&variant.name.as_str()) {
            continue;
        }
        seen.push(&variant.name);
        table.row(vec![
            Html::text(&variant.name),
            Html::text(plain(&variant.instructions)),
            Html::text(plain(&variant.roles)),
            Html::text(plain(&variant.reviewers)),
            Html::text(plain(&variant.score_reading)),
            Html::text(variant.dispute.name()),
        ]);
    }
    table.html()
}

/// A setting as an experiment file has it.
fn plain(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(object)) => {
            let pairs = object.iter().map(|(name, value)| format!("{name} {}", short(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        Ok(other) => other.to_string(),
        Err(_) => missing(),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(object) => {
            let pairs = object.iter().map(|(name, value)| format!("{name} {}", short(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn parameters(material: &Material) -> Html {
    let here = serde_json::to_value(&material.seeds[0].reference().settings.method);
    let default = serde_json::to_value(Method::default());
    let (Ok(Value::Object(here)), Ok(Value::Object(default))) = (here, default) else {
        return Html::default();
    };
    let mut table = Table::new(
        "The method's parameters; in bold what differs from the default, which is the \
                    paper's where it gives one",
        &["Parameter", "here", "default"],
    );
    for (name, value) in &here {
        let other = default.get(name);
        let shown = Html::text(short(value));
        let shown = if other == Some(value) { shown } else { Html::element("b", "", &shown) };
        table.row(vec![
            Html::text(name.replace('_', " ")),
            shown,
            Html::text(other.map_or_else(missing, short)),
        ]);
    }
    table.html()
}

/// What the last run took on its machine.
pub(super) fn measured(group: &SeedMaterial) -> Html {
    let Some(first) = group.measured.first() else { return Html::default() };
    let columns: Vec<&String> = first.keys().collect();
    // The variant names its line; the others are numbers, in alphabetic order.
    let titles: Vec<String> = std::iter::once("Variant".to_owned())
        .chain(
            columns
                .iter()
                .filter(|name| **name != "variant")
                .map(|name| format!("#{}", name.replace('_', " "))),
        )
        .collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut table = Table::new(
        "What the last run took on its machine; what a store had answered before cost nothing again",
        &titles,
    );
    for line in &group.measured {
        let name = line.get("variant").map(short).unwrap_or_default();
        let values = columns.iter().filter(|name| **name != "variant").map(|name| {
            let value = line.get(*name).filter(|value| !value.is_null());
            Html::text(value.map_or_else(missing, short))
        });
        table.row(std::iter::once(Html::text(name)).chain(values).collect());
    }
    table.html()
}
