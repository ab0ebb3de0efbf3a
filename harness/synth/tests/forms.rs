//! How replies are read: one table of raw texts and what becomes of them.

use gra_synth::form::{self, Malformed};
use gra_synth::method::{Method, ReviewForm};
use gra_synth::request::{Finish, Reply, ScoreReading, Stage};
use gra_synth::shape::Part;
use gra_synth::step;

fn reply(text: &str, finish: Finish) -> Reply {
    Reply { text: text.to_owned(), finish, prompt_tokens: 0, reply_tokens: 0, expected: Vec::new() }
}

fn read(stage: Stage, reply: &Reply) -> String {
    match stage {
        Stage::SeedDomain => format!("{:?}", form::read_domain(reply)),
        Stage::SeedSummary | Stage::Summary => format!("{:?}", form::read_summary(reply)),
        Stage::SeedKeywords => format!("{:?}", form::read_seed_keywords(reply)),
        Stage::Keywords => format!("{:?}", form::read_keywords(reply)),
        Stage::Instruction => format!("{:?}", form::read_instruction(reply)),
        Stage::InstructionReview => format!("{:?}", form::read_bits(reply)),
        Stage::Response => format!("{:?}", form::read_response(reply)),
        Stage::ResponseReview | Stage::ReviewComment | Stage::Adjudication => {
            let scores = form::read_scores(reply, ScoreReading::Sampled);
            let read = scores.and_then(|scores| Ok((scores.values(), form::read_comment(reply)?)));
            format!("{read:?}")
        }
    }
}

#[test]
fn every_stage_reads_what_the_paper_prints_and_names_what_it_cannot_read() {
    let cases: &[(Stage, &str)] = &[
        (Stage::SeedDomain, r#"<bod>"domain": "Math"<eod>"#),
        (Stage::SeedDomain, r#"<boa>"domain": "role-play"<eoa>"#),
        (Stage::SeedDomain, r#"Sure! <bod> {"domain" : "qa"} <eod>"#),
        (Stage::SeedDomain, r#"<bod>"domain": "Cooking"<eod>"#),
        (Stage::SeedDomain, r#"<bod>"topic": "Math"<eod>"#),
        (Stage::SeedDomain, "Math"),
        (Stage::SeedSummary, r#"<bod>"summary": "Asks what "mole" means."<eod>"#),
        (Stage::SeedSummary, r#"<bod>"summary": " "<eod>"#),
        (Stage::SeedSummary, r#"<bod>"summary": unquoted<eod>"#),
        (Stage::SeedKeywords, r#"<bok>"keywords": ["area", "Circle", "circle"]<eok>"#),
        (Stage::SeedKeywords, r#"<bok>"keywords": []<eok>"#),
        (Stage::SeedKeywords, r#"<bok>"keywords": ["a", "b", "c", "d"]<eok>"#),
        (Stage::SeedKeywords, r#"<bok>"keywords": ["a", ""]<eok>"#),
        (Stage::SeedKeywords, r#"<bok>"keywords": ["...", "..."]<eok>"#),
        (Stage::Keywords, r#"<boa>"domain":"Math", "keywords":["tides"]<eoa>"#),
        (Stage::Keywords, r#"<boa>"domain":"Math", "keywords":["tides", "moon, sun"]<eo>"#),
        (Stage::Keywords, r#"<boa>"domain":"Math"<eoa>"#),
        (Stage::Instruction, "<boi>\nProve it.\n<eoi> and more"),
        (Stage::Instruction, "<boi><eoi>"),
        (Stage::Instruction, "<boi>...<eoi>"),
        (Stage::Instruction, "Prove it."),
        (Stage::InstructionReview, "<bos>[1,1,0]<eos>"),
        (Stage::InstructionReview, "<bos>[1, 1.0, 0]<eos>"),
        (Stage::InstructionReview, "<bos>[1,1]<eos>"),
        (Stage::InstructionReview, "<bos>[1,1,2]<eos>"),
        (Stage::InstructionReview, "[1,1,1]"),
        (Stage::Response, "  Four.  "),
        (Stage::Response, " \n "),
        (Stage::ResponseReview, "<bos>[8,4,6,7,5,9]<eos>\n<boc>Too short.<eoc>"),
        (Stage::ResponseReview, "<bos>[10,0,6.0,7,5,9]<eos><boc><eoc>"),
        (Stage::ResponseReview, "<bos>[4,2,5,5,5,1,5]<eos><boc>Seven scores.<eoc>"),
        (Stage::ResponseReview, "<bos>[8,4,6]<eos><boc>Three, as the paper's example.<eoc>"),
        (Stage::ResponseReview, "<bos>[8,4,6,7,5,11]<eos><boc>x<eoc>"),
        (
            Stage::ResponseReview,
            "<boc>Reasons first.<eoc>\n<bos>[correctness: 8, clarity: 4, completeness: 6, relevance: 7, coherence: 5, \
             ethicality: 9]<eos>",
        ),
        (Stage::ResponseReview, "<bos>[8,4,6,7,5,8.5]<eos><boc>x<eoc>"),
        (Stage::ResponseReview, "<bos>[8,4,6,7,5,-1]<eos><boc>x<eoc>"),
        (Stage::ResponseReview, "<bos>[8,4,6,7,5,9]<eos> no comment"),
    ];
    let read: Vec<String> = cases
        .iter()
        .map(|(stage, text)| {
            let outcome = read(*stage, &reply(text, Finish::Stop));
            format!("{stage:<18} {text:?}\n{:>20} {outcome}", "->")
        })
        .collect();
    insta::assert_snapshot!(read.join("\n"));
}

#[test]
fn a_reply_that_did_not_end_is_malformed_whatever_it_holds() {
    let whole = "<bos>[1,1,1]<eos>";
    let cut = reply(whole, Finish::Length);
    assert_eq!(read(Stage::InstructionReview, &cut), "Err(CutOff)");
    let long = reply("", Finish::PromptTooLong { tokens: 9000, context: Some(4096) });
    assert_eq!(read(Stage::Response, &long), "Err(PromptTooLong)");
}

#[test]
fn expected_scores_stand_beside_a_readable_reply() {
    let mut reply = reply("<bos>[9,8,9,9,9,9]<eos>\n<boc>", Finish::Stop);
    let read = |reply: &Reply| form::read_scores(reply, ScoreReading::Expected);
    assert_eq!(read(&reply), Err(Malformed::NoExpectedScores));
    reply.expected = [8.5, 7.25, 9.0, 9.0, 9.0, 9.875].map(|s| s.try_into().unwrap()).to_vec();
    let written = serde_json::to_string(&read(&reply).unwrap()).unwrap();
    assert_eq!(written, "[8.5,7.25,9,9,9,9.875]");
    reply.text = "no scores".to_owned();
    assert_eq!(read(&reply), Err(Malformed::NoTags));
}

#[test]
fn thoughts_are_no_part_of_an_answer_and_the_last_complete_answer_counts() {
    let scores = "<bos>[9,9,9,9,9,9]<eos>\n<boc>good<eoc>";
    let cases: &[(Stage, String)] = &[
        (Stage::Response, "<think>\nThree things.\n</think>\n\nFour.".to_owned()),
        (Stage::Response, "The template opened it.\n</think>\nFour.".to_owned()),
        (Stage::Response, "<think>all of it".to_owned()),
        (Stage::Response, "<think>nothing behind</think>".to_owned()),
        (Stage::Response, "A tag such as `<think>` opens a thought.".to_owned()),
        (Stage::ResponseReview, format!("<think><bos>[1,1,1,1,1,1]<eos> no</think>{scores}")),
        (Stage::ResponseReview, format!("<bos>[1,1,1,1,1,1]<eos>\n<boc>no, wait<eoc> {scores}")),
        (Stage::ResponseReview, "<bos>[9,9,9,9,9,9]<eos>\n<boc>not <bos>[1,1,1,1,1,1]<eos><eoc>".to_owned()),
        (Stage::ResponseReview, format!("<bos>[2,2]<eos> as the format says. {scores}")),
        (Stage::ResponseReview, "<bos>[9,9,9,9,9,9]<eos><boc><think>hm</think>good<eoc>".to_owned()),
        (Stage::InstructionReview, "<bos>[1,1,1]<eos> or rather <bos>[1,0,1]<eos>".to_owned()),
        (Stage::InstructionReview, "hm <bos>[0,0,0]<eos>?\n</think>\n<bos>[1,1,1]<eos>".to_owned()),
        (Stage::InstructionReview, "<think>is it clear?</think>".to_owned()),
        (Stage::Instruction, "<boi><think>a hard one</think>Prove it.<eoi>".to_owned()),
        (Stage::Instruction, "<boi>a hard one</think>Prove it.<eoi>".to_owned()),
        (Stage::Instruction, "<boi><think>cut at its budget<eoi>".to_owned()),
        (Stage::Instruction, "Between <boi> and <eoi>: <boi>Prove it.<eoi>".to_owned()),
        (Stage::Instruction, "<boi><boi>Prove it.<eoi>".to_owned()),
        (Stage::Instruction, "<boi>Prove it.</boi>\n<eoi>".to_owned()),
        (Stage::Instruction, "<boi>Close <b>it</b>.</eoi><eoi>".to_owned()),
        (Stage::Instruction, "<boi></boi><eoi>".to_owned()),
        (
            Stage::Keywords,
            r#"<boa>"domain": "Math", "keywords": ["a"]<eoa> better: <boa>"domain": "QA", "keywords": ["b"]<eoa>"#
                .to_owned(),
        ),
        (
            Stage::Keywords,
            r#"<boa>"domain": "Math", "keywords": ["a"]<eoa> <boa>"domain": "QA", "keywords": []<eoa>"#
                .to_owned(),
        ),
        (Stage::Keywords, r#"<boa>"domain": "Math", "keywords": ["the <boa> tag"]<eoa>"#.to_owned()),
        (Stage::Summary, r#"<bod>"summary": "<think>short</think>Asks why."<eod>"#.to_owned()),
        (Stage::SeedDomain, r#"<think>"domain": "Math"</think><bod>"domain": "QA"<eod>"#.to_owned()),
    ];
    let read: Vec<String> = cases
        .iter()
        .map(|(stage, text)| {
            let outcome = read(*stage, &reply(text, Finish::Stop));
            format!("{stage:<18} {text:?}\n{:>20} {outcome}", "->")
        })
        .collect();
    insta::assert_snapshot!(read.join("\n"));
}

#[test]
fn a_thought_that_was_cut_has_a_reason_of_its_own() {
    let cut = |text: &str| read(Stage::InstructionReview, &reply(text, Finish::Length));
    assert_eq!(cut("<think>\nIs it clear? It says"), "Err(UnfinishedThought)");
    assert_eq!(cut("<think>\nIt is.</think><bos>[1,1"), "Err(CutOff)");
    assert_eq!(cut("<bos>[1,1"), "Err(CutOff)");
    assert_eq!(Malformed::UnfinishedThought.to_string(), "unfinished-thought");
}

#[test]
fn the_forms_of_a_review() {
    let text = |stage: Stage, review_form: ReviewForm| {
        let method = Method { review_form, ..Method::default() };
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Integer { min, max } => format!("{{{min}-{max}}}"),
            Part::Text { .. } => "{text}".to_owned(),
            other => format!("{other:?}"),
        };
        step::shape(stage, &method).parts.iter().map(part).collect::<String>()
    };
    let forms = [ReviewForm::ScoresFirst, ReviewForm::Named, ReviewForm::CommentFirst];
    let shown: Vec<String> = forms
        .iter()
        .flat_map(|form| {
            [Stage::InstructionReview, Stage::ResponseReview].map(|stage| text(stage, *form))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}
