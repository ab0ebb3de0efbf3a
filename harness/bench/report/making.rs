//! What was run, and how: enough to run it again, and to know every file that had a part in it.

use std::collections::BTreeSet;

use gra_synth::method::Method;
use gra_synth::variant::Rewrite;
use serde_json::Value;

use super::{ReportSubject, SeedResults};
use crate::html::{Html, HtmlTable};
use crate::numbers::{self, MISSING, grouped, or_missing};
use crate::trial::TrialSettings;

/// Inputs, models, and the method's parameters beside the paper's.
pub(super) fn making(subject: &ReportSubject) -> Html {
    Html::from_iter([inputs(subject), models(subject), variants(subject), parameters(subject)])
}

fn inputs(subject: &ReportSubject) -> Html {
    let settings = &subject.reference().record.settings;
    // The store does not say which release wrote into it.
    let made_by = subject.manifest.as_ref().map_or_else(
        || "no manifest.json beside this store says it".to_owned(),
        |manifest| format!("gra-bench {}, {}", manifest.gra_bench, manifest.engine),
    );
    let pairs = [
        ("Experiment", Html::text(&settings.experiment)),
        ("Seed set", hashed(&settings.seed_set, &settings.seed_set_sha256)),
        ("Seed items", Html::text(grouped(settings.seed_items as u64))),
        ("Prompts", hashed("templates", &settings.prompts_sha256)),
        ("Encoder", fingerprint(&settings.encoder)),
        ("Most calls that run together", Html::text(grouped(settings.chunk as u64))),
        ("Made by", Html::text(made_by)),
    ];
    let entry = |(name, value)| [Html::worded("dt", "", name), Html::element("dd", "", &value)];
    Html::element("dl", "facts", &pairs.into_iter().flat_map(entry).collect())
}

fn hashed(name: &str, sha256: &str) -> Html {
    Html::from_iter([Html::text(format!("{name}, sha256 ")), code(sha256)])
}

fn code(text: &str) -> Html {
    Html::worded("code", "", text)
}

/// With places to break it at.
fn fingerprint(parts: &str) -> Html {
    code(&parts.replace(';', "; "))
}

fn models(subject: &ReportSubject) -> Html {
    let record = &subject.reference().record;
    let mut table = HtmlTable::new(
        "Models of the pool",
        ["Model", "file", "#parameters", "licence", "#temperature", "#top_p", "fingerprint"],
    );
    for model in &record.models {
        // Models of the pool that the reference never asks have none.
        let sampling = record.settings.sampling.get(&model.name);
        let of_model = record.settings.models.get(&model.name);
        table.row([
            Html::text(&model.name),
            Html::text(&model.source),
            Html::text(or_missing(model.parameters, numbers::parameters)),
            Html::text(model.licence.as_deref().unwrap_or("not stated")),
            Html::text(or_missing(sampling, |sampling| sampling.temperature.to_string())),
            Html::text(or_missing(sampling, |sampling| sampling.top_p.to_string())),
            of_model.map_or_else(|| code("not asked"), |text| fingerprint(text)),
        ]);
    }
    table.html()
}

fn variants(subject: &ReportSubject) -> Html {
    let head = ["Variant", "instructions", "roles", "reviewers", "scores", "disputes settled by"];
    let mut table = HtmlTable::new("Variants", head.into_iter().chain(["prompts"]));
    let mut seen = BTreeSet::new();
    for (trial, _) in subject.trials() {
        let TrialSettings { variant, prompts_sha256, .. } = &trial.record.settings;
        // Several run seeds have the same variants.
        if !seen.insert(&variant.name) {
            continue;
        }
        table.row([
            variant.name.clone(),
            match variant.rewrite {
                Rewrite::Hidden => as_written(&variant.instructions),
                Rewrite::Shown => "seed, old responses shown".to_owned(),
            },
            as_written(&variant.roles),
            as_written(&variant.reviewers),
            as_written(&variant.score_reading),
            variant.dispute.name().to_owned(),
            // Enough to tell two sets of prompts apart.
            prompts_sha256.chars().take(8).collect(),
        ]);
    }
    table.html()
}

/// A setting as an experiment file has it.
fn as_written(setting: &impl serde::Serialize) -> String {
    serde_json::to_value(setting).map_or_else(|_| MISSING.to_owned(), |value| in_words(&value))
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(object) => {
            let pairs = object.iter().map(|(name, value)| format!("{name} {}", in_words(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn parameters(subject: &ReportSubject) -> Html {
    // As JSON, so that a parameter that is added to the method is shown without a line here.
    let here = serde_json::to_value(&subject.reference().record.settings.method);
    let default = serde_json::to_value(Method::default());
    let (Ok(Value::Object(here)), Ok(Value::Object(default))) = (here, default) else {
        return Html::default();
    };
    let caption = "The method's parameters; in bold what differs from the default, which is the \
                   paper's where it gives one";
    let mut table = HtmlTable::new(caption, ["Parameter", "here", "default"]);
    for (name, value) in &here {
        let other = default.get(name);
        let shown = Html::text(in_words(value));
        let shown = if other == Some(value) { shown } else { Html::element("b", "", &shown) };
        let default = Html::text(or_missing(other, in_words));
        table.row([Html::text(name.replace('_', " ")), shown, default]);
    }
    table.html()
}

/// What runs took on their machines.
pub(super) fn measured(seed: &SeedResults) -> Html {
    let Some(first) = seed.measured.first() else { return Html::default() };
    // The variant names its line; the others are numbers, in alphabetic order.
    let columns: Vec<&String> = first.keys().filter(|name| *name != "variant").collect();
    let titles = columns.iter().map(|name| format!("#{}", name.replace('_', " ")));
    let mut table = HtmlTable::new(
        "What each run that asked an engine took on its machine; what a store had answered before cost nothing again",
        std::iter::once("Variant".to_owned()).chain(titles),
    );
    for line in &seed.measured {
        let cell = |name: &str| line.get(name).filter(|value| !value.is_null());
        let values = columns.iter().map(|name| or_missing(cell(name), in_words));
        let name = cell("variant").map(in_words).unwrap_or_default();
        table.row(std::iter::once(name).chain(values));
    }
    table.html()
}
