//! What was run, and how: enough to run it again, and to know every file that had a part in it.

use std::collections::BTreeSet;
use std::iter::once;

use gra_synth::method::Method;
use gra_synth::variant::Rewrite;
use serde_json::Value;

use super::{ReportSubject, SeedResults};
use crate::html::{Html, table};
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
    let head = ["Model", "file", "#parameters", "licence", "#temperature", "#top_p", "fingerprint"];
    let rows = record.models.iter().map(|model| {
        // Models of the pool that the reference never asks have none.
        let sampling = record.settings.sampling.get(&model.name);
        let of_model = record.settings.models.get(&model.name);
        [
            Html::text(&model.name),
            Html::text(&model.source),
            Html::text(or_missing(model.parameters, numbers::parameters)),
            Html::text(model.licence.as_deref().unwrap_or("not stated")),
            Html::text(or_missing(sampling, |sampling| sampling.temperature.to_string())),
            Html::text(or_missing(sampling, |sampling| sampling.top_p.to_string())),
            of_model.map_or_else(|| code("not asked"), |text| fingerprint(text)),
        ]
    });
    table("Models of the pool", head, rows)
}

fn variants(subject: &ReportSubject) -> Html {
    let head = ["Variant", "instructions", "roles", "reviewers", "scores", "disputes settled by"];
    let mut seen = BTreeSet::new();
    let settings = subject.trials().map(|(trial, _)| &trial.record.settings);
    // Several run seeds have the same variants.
    let settings = settings.filter(|settings| seen.insert(&settings.variant.name));
    let rows = settings.map(|TrialSettings { variant, prompts_sha256, .. }| {
        [
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
        ]
    });
    table("Variants", head.into_iter().chain(["prompts"]), rows)
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
    let rows = here.iter().map(|(name, value)| {
        let other = default.get(name);
        let shown = Html::text(in_words(value));
        let shown = if other == Some(value) { shown } else { Html::element("b", "", &shown) };
        let default = Html::text(or_missing(other, in_words));
        [Html::text(name.replace('_', " ")), shown, default]
    });
    table(caption, ["Parameter", "here", "default"], rows)
}

/// What runs took on their machines.
pub(super) fn measured(seed: &SeedResults) -> Html {
    let Some(first) = seed.measured.first() else { return Html::default() };
    // The variant names its line; the others are numbers, in alphabetic order.
    let columns: Vec<&String> = first.keys().filter(|name| *name != "variant").collect();
    let titles = columns.iter().map(|name| format!("#{}", name.replace('_', " ")));
    let caption = "What each run that asked an engine took on its machine; what a store had answered before cost nothing again";
    let rows = seed.measured.iter().map(|line| {
        let cell = |name: &str| line.get(name).filter(|value| !value.is_null());
        let values = columns.iter().map(move |name| or_missing(cell(name), in_words));
        once(cell("variant").map(in_words).unwrap_or_default()).chain(values)
    });
    table(caption, once("Variant".to_owned()).chain(titles), rows)
}
