//! The guide against the code: every key of experiment and pool files has a row with its default, no row has a key that
//! the parsers do not know, and links lead to files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use gra_bench::experiment::{Experiment, ExperimentFile, Overrides};
use gra_bench::schema;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::{
    DEFAULT_CONCURRENCY, DEFAULT_CONTEXT, DEFAULT_TIMEOUT_S, ModelPool, PoolError,
};
use gra_synth::method::{Economy, Method, TokenLimits};
use gra_synth::request::Sampling;
use gra_synth::variant::Variant;
use serde::Serialize;
use serde_json::{Value, json};

use crate::workbench::repository;

/// Everything that must be said, and nothing that has a default.
const LEAST_EXPERIMENT: &str = "name = 'a'\nquestion = 'b?'\nseed_set = 'c'\npool = 'd'\nprompts = 'e'\nseeds = [1]\n\
                                [[variant]]\nname = 'gra'\n";
const LEAST_POOL: &str =
    "name = 'a'\n[encoder]\nname = 'b'\npath = 'c.gguf'\n[[model]]\nname = 'd'\npath = 'e.gguf'\n";

const MODEL_SECTION: &str = "## `[[model]]` and `[[teacher]]`";

fn page(name: &str) -> String {
    std::fs::read_to_string(repository().join("harness/guide").join(name)).unwrap()
}

/// The second cell of each row below a heading whose first cell is a key, by key.
fn rows(page: &str, heading: &str) -> BTreeMap<String, String> {
    let section = page.lines().skip_while(|line| *line != heading).skip(1);
    let mut rows = BTreeMap::new();
    for line in section.take_while(|line| !line.starts_with("## ")) {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let (Some(first), Some(default)) = (cells.next(), cells.next()) else { continue };
        let key = first.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        if let Some(key) = key {
            rows.insert(key.to_owned(), default.to_owned());
        }
    }
    assert!(!rows.is_empty(), "no table below {heading}");
    rows
}

/// The keys that the message about an unknown one lists.
fn known(message: &str) -> BTreeSet<String> {
    assert!(message.starts_with("unknown field `no_such_key`"), "{message}");
    message.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

fn keys_of_experiment(table: &str) -> BTreeSet<String> {
    let text = format!("{table}\nno_such_key = 1\n");
    known(toml::from_str::<ExperimentFile>(&text).unwrap_err().message())
}

fn keys_of_pool(table: &str) -> BTreeSet<String> {
    let text = format!("{table}\nno_such_key = 1\n");
    match ModelPool::parse(&text, Path::new("pool.toml"), Path::new("models")) {
        Err(PoolError::Syntax { error, .. }) => known(error.message()),
        other => panic!("{other:?}"),
    }
}

/// By way of text, so that an `f32` has the digits that people write.
fn as_json(value: &impl Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// Holds the defaults of a section against those of the code. A default that is computed when it is needed
/// (`null` here) is described in words, and tables have sections of their own.
fn check_defaults(page: &str, heading: &str, defaults: &Value) {
    let rows = rows(page, heading);
    for (key, value) in defaults.as_object().unwrap() {
        if value.is_null() || value.is_object() {
            continue;
        }
        let text = value.to_string();
        let expected = format!("`{}`", text.strip_suffix(".0").unwrap_or(&text));
        let said = rows.get(key).map_or("", String::as_str);
        assert!(
            said.starts_with(&expected),
            "{heading}: the default of `{key}` is {expected}, not {said}"
        );
    }
}

#[test]
fn every_key_of_an_experiment_file_is_in_the_guide() {
    let page = page("experiments.md");
    let sections = [
        ("## Top level", ""),
        ("## `[[variant]]`", "[[variant]]"),
        ("## `[method]`", "[method]"),
        ("## `[method.economy]`", "[method.economy]"),
        ("## `[method.limits]`", "[method.limits]"),
        ("## `[sampling]`", "[sampling]"),
        ("## `[engine]`", "[engine]"),
        ("## `[[source]]`", "[[source]]"),
        ("## `[compare]`", "[compare]"),
        ("## `[rescore]`", "[rescore]"),
    ];
    for (heading, table) in sections {
        let documented: BTreeSet<String> = rows(&page, heading).into_keys().collect();
        assert_eq!(documented, keys_of_experiment(table), "{heading}");
    }
}

#[test]
fn every_key_of_a_pool_file_is_in_the_guide() {
    let page = page("models-and-servers.md");
    let sections = [
        ("## The pool file", ""),
        ("## `[encoder]`", "[encoder]"),
        (MODEL_SECTION, "[[model]]"),
        (MODEL_SECTION, "[[teacher]]"),
        ("## `sampling` of a model", "[[model]]\n[model.sampling]"),
    ];
    for (heading, table) in sections {
        let documented: BTreeSet<String> = rows(&page, heading).into_keys().collect();
        assert_eq!(documented, keys_of_pool(table), "{heading}");
    }
}

#[test]
fn defaults_of_experiment_files_are_those_of_the_code() {
    let page = page("experiments.md");
    let file: ExperimentFile = toml::from_str(LEAST_EXPERIMENT).unwrap();
    let top = json!({
        "paper": file.paper,
        "analysis": file.analysis,
        "demonstration": file.demonstration,
        "chunk": file.chunk,
        "max_failed": file.max_failed,
        "allow_malformed_stages": file.allow_malformed_stages,
    });
    check_defaults(&page, "## Top level", &top);
    let mut method = as_json(&Method::default());
    // Records leave this default out.
    method["cut"] = as_json(&Method::default().cut);
    check_defaults(&page, "## `[method]`", &method);
    check_defaults(&page, "## `[method.economy]`", &as_json(&Economy::default()));
    check_defaults(&page, "## `[method.limits]`", &as_json(&TokenLimits::default()));
    check_defaults(&page, "## `[sampling]`", &as_json(&Sampling::default()));
    // The number of threads is this machine's.
    let mut engine = as_json(&EngineSettings::default());
    engine["threads"] = Value::Null;
    check_defaults(&page, "## `[engine]`", &engine);
    let compare = json!({ "sets": file.compare.sets, "map": file.compare.map, "benchmarks": file.compare.benchmarks });
    check_defaults(&page, "## `[compare]`", &compare);
}

#[test]
fn a_variant_that_says_nothing_is_full_gra() {
    let file = repository().join("experiments/ablation.toml");
    let experiment = Experiment::load(&file, Path::new("models"), &Overrides::default()).unwrap();
    let gra = Variant::gra("gra");
    assert_eq!(experiment.variants[0], gra);
    let mut defaults = as_json(&gra);
    defaults["name"] = Value::Null;
    defaults["rewrite"] = as_json(&gra.rewrite);
    defaults["reviewers"] = json!("committee");
    defaults["committee"] = json!(gra.reviews());
    check_defaults(&page("experiments.md"), "## `[[variant]]`", &defaults);
}

#[test]
fn defaults_of_pool_files_are_those_of_the_code() {
    let page = page("models-and-servers.md");
    let parsed = ModelPool::parse(LEAST_POOL, Path::new("pool.toml"), Path::new("models"));
    let defaults = json!({
        "thought_tokens": parsed.unwrap().models[0].thought_tokens,
        "concurrency": DEFAULT_CONCURRENCY,
        "timeout_s": DEFAULT_TIMEOUT_S,
    });
    check_defaults(&page, MODEL_SECTION, &defaults);
    let context = &rows(&page, MODEL_SECTION)["context"];
    assert!(context.contains(&DEFAULT_CONTEXT.to_string()), "{context}");
}

#[test]
fn the_key_reference_is_written_from_the_types() {
    let expected = schema::key_reference();
    assert_eq!(
        page("keys.md"),
        expected,
        "gra-bench schema keys > harness/guide/keys.md writes it"
    );
}

/// What a JSON Schema says of a TOML file, as an editor would.
fn against(schema: Value, text: &str) -> Result<(), String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let file = toml::from_str(text).unwrap();
    schemas.validate(&file, index).map_err(|error| error.to_string())
}

#[test]
fn every_file_of_ours_fits_its_schema() {
    let fits = |folder: &str, schema: Value| {
        let files = std::fs::read_dir(repository().join(folder)).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.extension().is_some()).collect();
        for path in &files {
            let text = std::fs::read_to_string(path).unwrap();
            against(schema.clone(), &text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        files.len()
    };
    assert!(fits("experiments", schema::of_experiments()) >= 13);
    assert!(fits("experiments/base", schema::of_experiments()) >= 4);
    assert!(fits("experiments/pools", schema::of_pools()) >= 4);
}

#[test]
fn schemas_refuse_what_the_parsers_refuse() {
    let experiment = |text: &str| against(schema::of_experiments(), text);
    assert_eq!(experiment(LEAST_EXPERIMENT), Ok(()));
    assert_eq!(against(schema::of_pools(), LEAST_POOL), Ok(()));
    let tables = [
        "",
        "[[variant]]",
        "[method]",
        "[method.economy]",
        "[method.limits]",
        "[sampling]",
        "[engine]",
        "[[source]]",
        "[compare]",
        "[compare.margins]",
        "[rescore]",
    ];
    for table in tables {
        let error = experiment(&format!("{table}\nno_such_key = 1\n")).unwrap_err();
        assert!(error.contains("no_such_key"), "{table}: {error}");
    }
    for value in [
        "[method]\ntau = '8'",
        "seeds = 42",
        "[[variant]]\nname = 'a'\nroles = 'randon'",
        "chunk = -1",
        "[[variant]]\nroles = 'random'",
    ] {
        assert!(experiment(value).is_err(), "{value}");
    }
    for value in [
        "[method]\ntau = 8",
        "[method]\neconomy = false",
        "max_failed = 3",
        "[rescore]\ntau = '7:9:0.5'",
    ] {
        assert_eq!(experiment(value), Ok(()), "{value}");
    }
    for least in ["\n[[model]]\nname = 'f'\nsha265 = 'a'\n", "[model.sampling]\nheat = 1\n"] {
        assert!(against(schema::of_pools(), &format!("{LEAST_POOL}{least}")).is_err(), "{least}");
    }
}

/// The pages of the guide.
fn pages() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository().join("harness/guide")).unwrap();
    let mut pages: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

#[test]
fn links_lead_to_files_and_the_index_to_every_page() {
    let mut documents = pages();
    documents.extend(["README.md", "harness/ARCHITECTURE.md"].map(|name| repository().join(name)));
    for document in &documents {
        let text = std::fs::read_to_string(document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            let target = document.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
        }
    }
    let index = page("README.md");
    for path in pages() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "{name} is not listed"
        );
    }
}

#[test]
fn the_words_that_the_method_quotes_are_in_the_prompts() {
    let method = std::fs::read_to_string(repository().join("harness/METHOD.md")).unwrap();
    let heading = "### What the paper's prompts ask for, and where ours say it";
    let section = method.lines().skip_while(|line| *line != heading).skip(1);
    let folders = ["experiments/prompts", "experiments/prompts-reworded"];
    let templates = folders.map(|folder| -> Vec<(String, String)> {
        let files = std::fs::read_dir(repository().join(folder)).unwrap();
        let named = files.map(|entry| entry.unwrap().path()).map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (format!("{folder}/{name}"), std::fs::read_to_string(path).unwrap())
        });
        named.collect()
    });
    assert_eq!(templates.each_ref().map(Vec::len), [10, 3]);
    let mut seen = BTreeSet::new();
    // A blank line, the table's heading and its rule come first, and a blank line ends it.
    for line in section.skip(3).take_while(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split('|').skip(1).map(str::trim).collect();
        let [prompts, criterion, said @ ..] = &cells[..] else { panic!("no row: {line}") };
        for number in prompts.split(", ") {
            for (wording, said) in templates.iter().zip(said) {
                let of_number = |file: &&(String, String)| file.0.contains(&format!("/{number}-"));
                let files: Vec<_> = wording.iter().filter(of_number).collect();
                assert_eq!(files.is_empty(), said.is_empty(), "{line}");
                for (name, template) in files {
                    let words = said.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                    let words = words.unwrap_or_else(|| panic!("no quoted words: {line}"));
                    assert!(
                        template.contains(words),
                        "{name} does not say {words:?}, which METHOD.md names for: {criterion}"
                    );
                    seen.insert(name);
                }
            }
        }
    }
    assert_eq!(seen.len(), 13, "a prompt has no row: {seen:?}");
}
