//! Two samples that try to break every format, beside candidates that were not accepted.

use gra_synth::candidate::{Neighbour, Outcome, ResponseReview, Roles};
use gra_synth::committee::{Decision, Scores};
use gra_synth::domain::Domain;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, ParquetReader, SerReader};

use super::*;
use crate::trial::tests;

fn candidate(number: u32, outcome: Outcome) -> Candidate {
    let model = ModelName::new;
    let roles = Roles {
        generator: model("llama"),
        reviewers: vec![model("qwen"), model("mistral")],
        adjudicator: Some(model("tulu")),
        summariser: model("qwen"),
    };
    let id = ItemId::Candidate { round: 1, number };
    let examples = vec![ItemId::Seed(0), ItemId::Seed(1)];
    let mut candidate = Candidate::drawn(id, 0, Some(Domain::Coding), examples, roles);
    candidate.keywords = vec!["quotes".to_owned(), "escaping, twice".to_owned()];
    candidate.instruction = Some(format!("Instruction {number}."));
    candidate.response = Some(format!("Response {number}."));
    candidate.outcome = Some(outcome);
    candidate
}

fn review(seat: u8, scores: [u8; 6]) -> ResponseReview {
    let reviewer = ModelName::new("qwen");
    ResponseReview {
        seat,
        reviewer,
        scores: Scores::whole(scores),
        comment: Some("fine".to_owned()),
    }
}

fn candidates() -> Vec<Candidate> {
    let mut hostile = candidate(1, Outcome::Accepted);
    hostile.instruction =
        Some("Say \"hi\" in HTML,\nwith <script>alert('x')</script> & a back\\slash.".to_owned());
    hostile.response = Some("````html\n<b>hi</b>\n````\nand ``` alone\n---\n".to_owned());
    hostile.summary = Some("Asks for \"hi\".".to_owned());
    hostile.response_reviews = vec![review(0, [10; 6]), review(1, [5, 6, 6, 6, 6, 7])];
    hostile.decision = Some(Decision::Dispute);
    hostile.adjudication = Some(review(0, [9, 9, 9, 9, 8, 10]));
    hostile.nearest = Some(Neighbour { id: ItemId::Seed(1), cosine: 0.5 });
    let mut foreign = candidate(3, Outcome::Accepted);
    foreign.instruction = Some("\u{7ffb}\u{8bd1}\u{ff1a}\u{201c}caf\u{e9}\u{201d}".to_owned());
    foreign.keywords.clear();
    vec![
        candidate(0, Outcome::Vetoed),
        hostile,
        candidate(2, Outcome::Surplus),
        foreign,
        candidate(4, Outcome::Rejected),
    ]
}

fn exported(candidates: &[Candidate]) -> Result<Vec<ExportedFile>> {
    Export::of_trial(&tests::record(), candidates)?
        .files(&Extent::whole(TrainingFormat::value_variants()))
}

fn bytes(of: &str, candidates: &[Candidate]) -> Vec<u8> {
    let files = exported(candidates).unwrap();
    files.into_iter().find(|file| file.name == of).unwrap().bytes
}

fn text(of: &str) -> String {
    String::from_utf8(bytes(of, &candidates())).unwrap()
}

fn table(candidates: &[Candidate]) -> DataFrame {
    let bytes = bytes(TrainingFormat::Parquet.file(), candidates);
    ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap()
}

#[test]
fn alpaca() {
    insta::assert_snapshot!(text(TrainingFormat::Alpaca.file()), @r#"
    [
    {"instruction":"Say \"hi\" in HTML,\nwith <script>alert('x')</script> & a back\\slash.","input":"","output":"````html\n<b>hi</b>\n````\nand ``` alone\n---\n"},
    {"instruction":"翻译：“café”","input":"","output":"Response 3."}
    ]
    "#);
}

#[test]
fn messages() {
    insta::assert_snapshot!(text(TrainingFormat::Messages.file()), @r#"
    {"messages":[{"role":"user","content":"Say \"hi\" in HTML,\nwith <script>alert('x')</script> & a back\\slash."},{"role":"assistant","content":"````html\n<b>hi</b>\n````\nand ``` alone\n---\n"}]}
    {"messages":[{"role":"user","content":"翻译：“café”"},{"role":"assistant","content":"Response 3."}]}
    "#);
}

#[test]
fn dataset_info() {
    insta::assert_snapshot!(text(DATASET_INFO), @r#"
    {
      "ablation-gra-seed-42": {
        "columns": {
          "prompt": "instruction",
          "query": "input",
          "response": "output"
        },
        "file_name": "alpaca.json",
        "formatting": "alpaca"
      },
      "ablation-gra-seed-42_messages": {
        "columns": {
          "messages": "messages"
        },
        "file_name": "messages.jsonl",
        "formatting": "sharegpt",
        "tags": {
          "assistant_tag": "assistant",
          "content_tag": "content",
          "role_tag": "role",
          "system_tag": "system",
          "user_tag": "user"
        }
      },
      "ablation-gra-seed-42_prompt-completion": {
        "columns": {
          "prompt": "prompt",
          "response": "completion"
        },
        "file_name": "prompt-completion.jsonl",
        "formatting": "alpaca"
      },
      "ablation-gra-seed-42_sharegpt": {
        "columns": {
          "messages": "conversations"
        },
        "file_name": "sharegpt.json",
        "formatting": "sharegpt"
      }
    }
    "#);
}

#[test]
fn card() {
    insta::assert_snapshot!(text(CARD), @r#"
    ---
    pretty_name: "ablation-gra-seed-42"
    # Choose a licence before publishing; see the section on it below.
    license: other
    license_name: not-chosen-yet
    task_categories:
    - text-generation
    size_categories:
    - n<1K
    tags:
    - synthetic
    - instruction-tuning
    - gra
    configs:
    - config_name: default
      data_files:
      - split: train
        path: samples.parquet
    ---

    # ablation-gra-seed-42

    > **Demonstration data: do not train on it, do not quote its numbers.** It was made to show how the
    > harness works, by models that are too small to write or to judge such texts.

    2 instruction-response pairs, made by language models with GRA (Generator, Reviewers, Adjudicator; ACL 2025)
    or a variant of it. The seed set that they grew from is not part of the data.

    **Without review: 1 of them.**

    ## Files

    | file | what |
    |---|---|
    | `alpaca.json` | instruction, input, output |
    | `messages.jsonl` | `messages` of a user and an assistant, one pair a line |
    | `sharegpt.json` | `conversations` of a human and a model |
    | `prompt-completion.jsonl` | `prompt` and `completion`, one pair a line |
    | `samples.parquet` | every sample with its messages, domain, keywords, summary, scores and models |
    | `dataset_info.json` | for LLaMA-Factory: `ablation-gra-seed-42`, `ablation-gra-seed-42_messages`, `ablation-gra-seed-42_sharegpt`, `ablation-gra-seed-42_prompt-completion` |
    | `manifest.json` | what made the samples, and hashes of the files |

    ## How it was made

    | setting | value |
    |---|---|
    | made with | gra-bench 0.1.0 |
    | experiment | ablation |
    | variant | no-\<reviewer\> |
    | run seed | 42 |
    | seed set | starter.jsonl |
    | least mean score, tau | 8 of 10 |
    | largest spread without an adjudicator, delta | 1.5 |
    | cosine limit to other instructions | 0.9 |
    | rounds | 5 |
    | samples wanted per round | 10000 |
    | most candidates per round | 100000 |

    ## What became of the 5 candidates

    | outcome | candidates |
    |---|---:|
    | accepted | 2 |
    | passed, not needed for the round's target | 1 |
    | near-duplicate | 0 |
    | rejected by the reviewers | 1 |
    | disputed, rejected by the adjudicator | 0 |
    | disputed, rejected by vote | 0 |
    | instruction vetoed | 1 |
    | keywords repeated from an example | 0 |
    | reply malformed | 0 |
    | engine could not answer | 0 |

    ## Models

    The pool. `samples.parquet` names the generator and the reviewers of every sample.

    | model | parameters | licence | source |
    |---|---:|---|---|
    | llama | 135000000 | Apache-2.0 | hub/llama |
    | a\|b | - | not stated | hub/a\|b |

    ## Licence

    **No licence has been chosen yet.** Before you publish this data set, choose one and put it into the
    header of this file. It has to respect the terms of the seed set, from which the instructions derive,
    and those of every model above, which wrote the texts: some licences restrict what may be done with a
    model's output, training other models included.

    ## A sample

    `````text
    r1-00001, Coding, keywords: quotes; escaping, twice
    mu 8.00, sigma 2.00

    Instruction:
    Say "hi" in HTML,
    with <script>alert('x')</script> & a back\slash.

    Response:
    ````html
    <b>hi</b>
    ````
    and ``` alone
    ---

    `````
    "#);
}

#[test]
fn texts_read_back() {
    let records: serde_json::Value =
        serde_json::from_str(&text(TrainingFormat::Alpaca.file())).unwrap();
    for (record, sample) in records.as_array().unwrap().iter().zip([1, 3]) {
        let sample = &candidates()[sample];
        assert_eq!(record["instruction"].as_str(), sample.instruction.as_deref());
        assert_eq!(record["output"].as_str(), sample.response.as_deref());
    }
}

#[test]
fn the_table_holds_everything_of_a_sample() {
    let table = table(&candidates());
    let row = |at| {
        let cell = |column: &polars::prelude::Column| {
            format!("{} = {}", column.name(), column.get(at).unwrap())
        };
        table.columns().iter().map(cell).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(format!("{}\n\n{}", row(0), row(1)), @r#"
    id = "r1-00001"
    origin = null
    round = 1
    domain = "Coding"
    keywords = ["quotes", "escaping, twice"]
    summary = "Asks for "hi"."
    instruction = "Say "hi" in HTML,
    with <script>alert('x')</script> & a back\slash."
    response = "````html
    <b>hi</b>
    ````
    and ``` alone
    ---
    "
    messages = [{"user","Say "hi" in HTML,
    with <script>alert('x')</script> & a back\slash."}, {"assistant","````html
    <b>hi</b>
    ````
    and ``` alone
    ---
    "}]
    mu = 8.0
    sigma = 2.0
    s_a = 9.0
    generator = "llama"
    reviewers = ["qwen", "mistral"]

    id = "r1-00003"
    origin = null
    round = 1
    domain = "Coding"
    keywords = []
    summary = null
    instruction = "翻译：“café”"
    response = "Response 3."
    messages = [{"user","翻译：“café”"}, {"assistant","Response 3."}]
    mu = null
    sigma = null
    s_a = null
    generator = "llama"
    reviewers = ["qwen", "mistral"]
    "#);
}

#[test]
fn no_samples_are_an_empty_data_set() {
    let rejected = [candidate(0, Outcome::Rejected)];
    assert_eq!(bytes(TrainingFormat::Alpaca.file(), &rejected), b"[\n]\n");
    assert_eq!(bytes(TrainingFormat::Messages.file(), &rejected), b"");
    let empty = table(&rejected);
    assert_eq!(empty.height(), 0);
    assert_eq!(empty.schema(), table(&candidates()).schema());
}

#[test]
fn what_cannot_be_exported_is_named() {
    let mut damaged = candidates();
    damaged[3].response = None;
    insta::assert_snapshot!(
        exported(&damaged).unwrap_err(),
        @"sample r1-00003 was accepted and has no response; its recorded facts are damaged"
    );
}

#[test]
fn the_same_samples_give_the_same_bytes() {
    assert_eq!(exported(&candidates()).unwrap(), exported(&candidates()).unwrap());
}

fn answered(number: u32, response: &str, score: u8, outcome: Outcome) -> Candidate {
    let mut candidate = candidate(number, outcome);
    candidate.instruction = Some("Name a prime.".to_owned());
    candidate.response = Some(response.to_owned());
    candidate.response_reviews = vec![review(0, [score; 6]), review(1, [score; 6])];
    candidate
}

#[test]
fn what_did_not_pass_stands_beside_the_best_that_did() {
    let first = [
        answered(0, "7", 8, Outcome::Accepted),
        answered(1, "9", 3, Outcome::Rejected),
        answered(2, "Seven.", 9, Outcome::Surplus),
    ];
    // The same answer under another variant is no other answer; an unscored one is none.
    let mut unscored = candidate(5, Outcome::Accepted);
    unscored.instruction = Some("Name a prime.".to_owned());
    let second =
        [answered(0, "7", 8, Outcome::Accepted), answered(1, "1", 5, Outcome::Rejected), unscored];
    let answers = ScoredAnswers::gather(&[("a/gra/seed-1", &first), ("a/x/seed-1", &second)]);
    let text = |format| {
        let (files, records) = answers.files(format, "a").unwrap();
        let texts = files.into_iter().map(|file| String::from_utf8(file.bytes).unwrap());
        format!("{records}\n{}", texts.collect::<String>())
    };
    insta::assert_snapshot!(text(PreferenceFormat::Dpo), @r#"
    2
    {"prompt":"Name a prime.","chosen":"Seven.","rejected":"9","score_chosen":9.0,"score_rejected":3.0,"chosen_of":"a/gra/seed-1","rejected_of":"a/gra/seed-1"}
    {"prompt":"Name a prime.","chosen":"Seven.","rejected":"1","score_chosen":9.0,"score_rejected":5.0,"chosen_of":"a/gra/seed-1","rejected_of":"a/x/seed-1"}
    {
      "a": {
        "columns": {
          "chosen": "chosen",
          "prompt": "prompt",
          "rejected": "rejected"
        },
        "file_name": "dpo.jsonl",
        "formatting": "alpaca",
        "ranking": true
      }
    }
    "#);
    insta::assert_snapshot!(text(PreferenceFormat::Kto), @r#"
    4
    {"prompt":"Name a prime.","completion":"7","label":true,"score":8.0,"of":"a/gra/seed-1"}
    {"prompt":"Name a prime.","completion":"9","label":false,"score":3.0,"of":"a/gra/seed-1"}
    {"prompt":"Name a prime.","completion":"Seven.","label":true,"score":9.0,"of":"a/gra/seed-1"}
    {"prompt":"Name a prime.","completion":"1","label":false,"score":5.0,"of":"a/x/seed-1"}
    {
      "a": {
        "columns": {
          "kto_tag": "label",
          "prompt": "prompt",
          "response": "completion"
        },
        "file_name": "kto.jsonl",
        "formatting": "alpaca"
      }
    }
    "#);
    let (_, none) =
        ScoredAnswers::gather(&[("a", &first[..1])]).files(PreferenceFormat::Dpo, "a").unwrap();
    assert_eq!(none, 0);
}
