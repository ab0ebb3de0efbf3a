//! What OpenCompass is told: a configuration file a benchmark.

use std::fmt::Write as _;

use super::super::scoring::Asked;
use super::super::suite::{BenchmarkProtocol, Scope};

/// The module that starts the engine.
pub(crate) const RUNNER: &str = "run_opencompass.py";

/// Modules of ours that the engine loads, by name.
pub(crate) const MODULE_TEXTS: [(&str, &str); 2] = [
    (RUNNER, include_str!("run_opencompass.py")),
    ("served_model.py", include_str!("served_model.py")),
];

/// Name of the model in results: that of a folder and of a column, so it is the same for every model.
pub(crate) const ABBREVIATION: &str = "model";

/// The configuration of a benchmark. Prompts come from the installed package; here is only which of its data sets are
/// taken, how many items of each, and who is asked.
pub(crate) fn config(scope: &Scope, asked: &Asked) -> String {
    let protocol = BenchmarkProtocol::of_benchmark(scope.benchmark);
    let names: Vec<String> = scope.parts().iter().map(|part| python(&part.dataset)).collect();
    let reader = match scope.items {
        // A range leaves the prompts' hash as it is.
        Some(items) => format!("dict(one['reader_cfg'], test_range='[0:{items}]')"),
        None => "one['reader_cfg']".to_owned(),
    };
    let reply_limit = asked.reply_limit.map_or("None".to_owned(), |limit| limit.to_string());
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\
from mmengine.config import read_base
from served_model import ServedModel

with read_base():
    from {config} import {list}

datasets = [
    dict(one, reader_cfg={reader})
    for one in {list}
    if one['abbr'] in [
        {names},
    ]
]
models = [
    dict(
        type=ServedModel,
        abbr='{ABBREVIATION}',
        path={model},
        openai_api_base={url},
        temperature=0,
        query_per_second=1000,
        max_out_len=4096,
        max_seq_len={context},
        batch_size={parallel},
        retry=3,
        reply_limit={reply_limit},
        answer_within={answer_within},
        meta_template=dict(
            round=[
                dict(role='HUMAN', api_role='HUMAN'),
                dict(role='BOT', api_role='BOT', generate=True),
            ]
        ),
    )
]
",
        config = protocol.config(),
        list = protocol.list,
        names = names.join(",\n        "),
        model = python(asked.model),
        url = python(asked.url),
        context = asked.context,
        parallel = asked.parallel,
        answer_within = asked.answer_within,
    );
    text
}

/// A text as a Python literal. JSON's escapes mean the same in Python, but for pairs of surrogates, which are only
/// written for characters that are escaped here one by one.
fn python(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => literal.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(literal, "\\x{:02x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::suite::Suite;
    use gra_paper::Benchmark;

    #[test]
    fn a_configuration_takes_the_pinned_prompts() {
        let suite = Suite::smoke().only(&[Benchmark::Bbh]).unwrap();
        let asked = Asked {
            url: "http://127.0.0.1:9/v1",
            model: "it's",
            parallel: 2,
            context: 8192,
            reply_limit: suite.reply_limit,
            answer_within: 600,
        };
        insta::assert_snapshot!(config(&suite.scopes[0], &asked));
        let whole = Suite::paper().only(&[Benchmark::Gsm8k]).unwrap();
        let text = config(&whole.scopes[0], &asked);
        assert!(text.contains("gsm8k_gen_1d7fe4 import gsm8k_datasets"), "{text}");
        assert!(text.contains("dict(one, reader_cfg=one['reader_cfg'])"), "{text}");
    }
}
