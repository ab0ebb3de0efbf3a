//! One check function over tables of small files.

mod errors;
mod properties;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use polars::prelude::{Column, DataFrame, NamedFrom as _, ParquetWriter, Series};

use super::*;

/// Reads bytes under a file name and says what came of each record, or the error.
fn outcome(name: &str, bytes: impl Into<Vec<u8>>, options: &LoadOptions) -> String {
    let path = Path::new(name);
    let set = match read(path, bytes.into(), options) {
        Ok(set) => set,
        Err(fault) => return SeedError { path: path.to_owned(), fault }.to_string(),
    };
    let mut text = format!("{}: {} records\n", set.format, set.records);
    for item in &set.items {
        write!(text, "{} {:?}", item.number, item.instruction).unwrap();
        if let Some(response) = &item.response {
            write!(text, " -> {response:?}").unwrap();
        }
        if let Some(annotation) = &item.annotation {
            let (domain, summary) = (annotation.domain, &annotation.summary);
            write!(text, " [{domain} {:?} {summary:?}]", annotation.keywords).unwrap();
        }
        text.push('\n');
    }
    for skipped in &set.skipped {
        writeln!(text, "- {skipped}").unwrap();
    }
    for remark in &set.remarks {
        writeln!(text, "~ {remark}").unwrap();
    }
    if set.over_limit > 0 {
        writeln!(text, "{} over the limit", set.over_limit).unwrap();
    }
    text
}

#[track_caller]
fn check(name: &str, bytes: impl Into<Vec<u8>>, expected: &str) {
    check_with(name, bytes, &LoadOptions::default(), expected);
}

#[track_caller]
fn check_with(name: &str, bytes: impl Into<Vec<u8>>, options: &LoadOptions, expected: &str) {
    assert_eq!(outcome(name, bytes, options).trim_end(), expected.trim(), "{name}");
}

fn named(assignments: &[&str]) -> LoadOptions {
    let mapping = assignments.iter().map(|text| assignment(text).unwrap()).collect();
    LoadOptions { mapping, ..LoadOptions::default() }
}

#[test]
fn inputs_join_instructions_and_placeholders_do_not() {
    let check = |input: &str, joined: &str, remark: &str| {
        let record = serde_json::json!(
            {"instruction": " Is it?\n", "input": input, "output": "Yes."});
        let expected = format!("JSON Lines: 1 records\n0 {joined:?} -> \"Yes.\"{remark}");
        check("set.jsonl", record.to_string(), &expected);
    };
    for (input, joined) in [
        ("", "Is it?"),
        (" \n", "Is it?"),
        ("a cat\n", "Is it?\n\na cat"),
        ("No inputs were given", "Is it?\n\nNo inputs were given"),
        ("Na", "Is it?\n\nNa"),
        ("none of them", "Is it?\n\nnone of them"),
    ] {
        check(input, joined, "");
    }
    for word in [
        "<noinput>",
        "Noinput",
        "No input.",
        "<no input>",
        "\\<noinput\\>",
        "nan",
        "NaN",
        "None",
        "null",
        "N/A",
        "#N/A",
        "<NA>",
        "NA",
    ] {
        let remark = format!("\n~ record 0 (line 1): `{word}` read as no input");
        check(word, "Is it?", &remark);
    }
}

#[test]
fn outputs_that_are_none_and_instructions_that_are_none() {
    let check = |instruction: &str, output: &str, expected: &str| {
        let record = serde_json::json!({"instruction": instruction, "output": output});
        check("set.jsonl", record.to_string(), expected);
    };
    for output in ["<nooutput>", "<No Output>", "[no output]", "<noinput>", "nan", "None", "N/A"] {
        let expected = format!(
            "JSON Lines: 1 records\n0 \"Go\"\n~ record 0 (line 1): `{output}` read as no output"
        );
        check("Go", output, &expected);
    }
    for output in ["No output.", "None.", "Nan is a name.", "-", "0"] {
        check("Go", output, &format!("JSON Lines: 1 records\n0 \"Go\" -> {output:?}"));
    }
    check(
        "nan",
        "x",
        "cannot use set.jsonl as a seed set: none of its 1 record(s) can be used; record 0 (line 1): its \
         instruction is `nan`, which stands for nothing\n\
         hint: see whether --format and --field fit the file: head -c 500 set.jsonl",
    );
}

#[test]
fn json_arrays() {
    check(
        "a.json",
        r#"[{"instruction":"One"},{"Instruction":"Two","OUTPUT":"2"}]"#,
        r#"
Alpaca JSON: 2 records
0 "One"
1 "Two" -> "2""#,
    );
    check(
        "a.json",
        r#"[{"instruction":"One"},7,[],{"instruction":["x"]},{"instruction":null}]"#,
        r#"
Alpaca JSON: 5 records
0 "One"
- record 1: a number where an object should be
- record 2: an array where an object should be
- record 3: field `instruction` is an array, not text
- record 4: empty instruction"#,
    );
    // The extension does not matter where the content is plain.
    check(
        "a",
        "\u{feff} [{\"instruction\":\"One\",\"output\":42}]",
        r#"
Alpaca JSON: 1 records
0 "One" -> "42""#,
    );
}

#[test]
fn json_lines() {
    let text = b"{\"instruction\":\"One\"}\r\n\n{\"instruction\":\"Tw\n{\"instruction\":\"Thr\xffee\"}\n\
        {\"instruction\":\" \"}\n{\"instruction\":\"One \"}\n{\"output\":\"?\"}\n{\"instruction\":\"Six\"}";
    let expected = r#"
JSON Lines: 7 records
0 "One"
6 "Six"
- record 1 (line 3): broken JSON at column 18: EOF while parsing a string
- record 2 (line 4): not UTF-8: byte 19 of the line
- record 3 (line 5): empty instruction
- record 4 (line 6): same instruction as record 0
- record 5 (line 7): no instruction field"#;
    check("a.jsonl", &text[..], expected);
    check("a.json", &text[..], expected);
    check("no-extension", &text[..], expected);
    check(
        "a.json",
        "{\n \"instruction\": \"One\"\n}\n{\n \"instruction\": \"Two\"\n}",
        r#"
JSON Lines: 2 records
0 "One"
1 "Two""#,
    );
}

#[test]
fn gzip() {
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let one = "JSON Lines: 1 records\n0 \"One\"";
    check("a.jsonl.gz", packed("{\"instruction\":\"One\"}\n"), one);
    check("renamed.jsonl", packed("{\"instruction\":\"One\"}\n"), one);
    check("a.csv.gz", packed("instruction\nOne\n"), "CSV: 1 records\n0 \"One\"");
    let whole = packed(&"{\"instruction\":\"One\"}\n".repeat(50));
    let cut = outcome("a.jsonl.gz", &whole[..whole.len() - 9], &LoadOptions::default());
    assert!(cut.contains("does not unpack") && cut.contains("gzip -t a.jsonl.gz"), "{cut}");
}

#[test]
fn conversations() {
    check(
        "a.json",
        r#"[{"id":"x","conversations":[
        {"from":"system","value":"Be brief."},
        {"from":"human","value":" Name a river. "},
        {"from":"gpt","value":"The Rhine."},
        {"from":"human","value":"Another."}]}]"#,
        r#"
ShareGPT conversations: 1 records
0 "Name a river." -> "The Rhine."
~ record 0: system prompt left out
~ record 0: turns after the first answer left out"#,
    );
    check(
        "a.jsonl",
        r#"{"messages":[{"role":"user","content":"Go"},{"role":"tool","content":"?"},{"role":"assistant","content":"Gone"}]}
{"messages":[{"role":"user","content":"Alone"}]}
{"messages":[{"role":"assistant","content":"Hello"}]}
{"messages":[]}
{"messages":"Go"}
{"messages":["Up"]}
{"messages":[{"role":"user"}]}
{"messages":[{"content":"Go"}]}
{"messages":[{"role":"user","content":["Go"]}]}
{"messages":[{"role":"user","content":null}]}"#,
        r#"
ShareGPT conversations: 10 records
0 "Go" -> "Gone"
1 "Alone"
5 "Up"
- record 2 (line 3): no user turn in the conversation
- record 3 (line 4): no user turn in the conversation
- record 4 (line 5): its conversation is a string, not a list of turns
- record 6 (line 7): turn 1 of the conversation has neither `value` nor `content`
- record 7 (line 8): turn 1 of the conversation does not say who speaks; its fields: `content`
- record 8 (line 9): turn 1 of the conversation holds an array, not text
- record 9 (line 10): empty instruction
~ record 0 (line 1): calls of tools and their results left out"#,
    );
}

#[test]
fn data_is_a_conversation_where_it_holds_turns() {
    check(
        "a.jsonl",
        r#"{"data":["Up","Yes"]}
{"data":[{"role":"user","content":"Go"}]}
{"data":{"text":"Label this"},"question":"Which?"}
{"data":[{"title":"Not a turn"}],"question":"Where?"}"#,
        r#"
ShareGPT conversations: 4 records
0 "Up" -> "Yes"
1 "Go"
2 "Which?"
3 "Where?""#,
    );
}

#[test]
fn a_record_with_both_is_read_as_asked() {
    let both = r#"[{"instruction":"One","conversations":[{"from":"human","value":"Two"}]}]"#;
    let asked = |format| LoadOptions { format: Some(format), ..LoadOptions::default() };
    check("a.json", both, "Alpaca JSON: 1 records\n0 \"One\"");
    check_with("a.json", both, &asked(Format::Alpaca), "Alpaca JSON: 1 records\n0 \"One\"");
    let talk = "ShareGPT conversations: 1 records\n0 \"Two\"";
    check_with("a.json", both, &asked(Format::ShareGpt), talk);
}

#[test]
fn csv() {
    check(
        "a.csv",
        "id,Instruction,input,output\n1,\"Add, please\",\"1\n2\",3\n2,Short\n3,,x,y\n4,Last,,\n",
        r#"
CSV: 4 records
0 "Add, please\n\n1\n2" -> "3"
3 "Last"
- record 1 (line 4): 2 columns where the header has 4
- record 2 (line 5): empty instruction"#,
    );
    check(
        "a.csv",
        b"instruction,output\nGr\xfc\xdfe,x\nTwo,y\n".to_vec(),
        r#"
CSV: 2 records
1 "Two" -> "y"
- record 0 (line 2): not UTF-8: byte 2 of column `instruction`"#,
    );
    // Without a closing quote the rest of the file would pass for one long answer.
    check(
        "a.csv",
        "instruction,output\n\"One, please\",1\nTwo,\"2\nThree,3\n",
        r#"
CSV: 2 records
0 "One, please" -> "1"
- record 1 (line 3): its quote is never closed, so it runs to the end of the file"#,
    );
    check(
        "a.csv",
        "instruction,domain,summary,keywords\nGo,Coding,A task,go; chess\n",
        r#"
CSV: 1 records
0 "Go" [Coding ["go", "chess"] "A task"]"#,
    );
}

#[test]
fn quotes_close_cells_or_are_text() {
    for (rows, expected) in [
        // Around cells.
        (
            "\"One\",1\n\"Say \"\"hi\"\", now\",\"2\n2\"\n",
            &["\"One\" -> \"1\"", "\"Say \\\"hi\\\", now\" -> \"2\\n2\""][..],
        ),
        ("\"One\" ,\"1\" \n", &["\"One\" -> \"1 \""]),
        // Text: every line is a row without them, and with them rows would run together.
        ("\"One\" is,1\nTwo,2\n", &["\"\\\"One\\\" is\" -> \"1\"", "\"Two\" -> \"2\""]),
        (
            "\"One,1\nTwo,2\n\"Three,3\n",
            &["\"\\\"One\" -> \"1\"", "\"Two\" -> \"2\"", "\"\\\"Three\" -> \"3\""],
        ),
        ("5\" pipe,1\n6\" pipe,2\n", &["\"5\\\" pipe\" -> \"1\"", "\"6\\\" pipe\" -> \"2\""]),
        // Both: what ran together is told, with its lines.
        (
            "\"One, please\",1\n\"Two,2\nThree,3\n\"Four,4\nFive,5\n",
            &["\"One, please\" -> \"1\"", "\"Five\" -> \"5\""],
        ),
    ] {
        let text = outcome("a.csv", format!("instruction,output\n{rows}"), &LoadOptions::default());
        let is_item = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
        let items = text.lines().skip(1).filter(is_item).map(|line| &line[2..]);
        assert_eq!(items.collect::<Vec<_>>(), expected, "{text}");
        let is_told = text.contains(
            "- record 1 (line 3): text follows the closing quote of a cell, in 3 line(s)",
        );
        assert_eq!(is_told, rows.starts_with("\"One, please"), "{text}");
    }
}

/// Three records with every kind of column that is read.
fn parquet_file() -> Vec<u8> {
    let text = |name: &str, values: &[Option<&str>]| Column::from(Series::new(name.into(), values));
    let columns = vec![
        text("instruction", &[Some("One"), None, Some("Three")]),
        text("response", &[Some("1"), Some("2"), None]),
        Column::from(Series::new("input".into(), &[10_i64, 20, 30])),
        text("domain", &[Some("Math"), None, None]),
        text("summary", &[Some("A number"), None, None]),
        Column::from(Series::new(
            "keywords".into(),
            &[
                Series::new("".into(), &["one", "two"]),
                Series::new("".into(), &["x"; 0]),
                Series::new("".into(), &["x"; 0]),
            ],
        )),
    ];
    let mut frame = DataFrame::new(3, columns).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    bytes
}

#[test]
fn parquet() {
    let bytes = parquet_file();
    check(
        "a.parquet",
        bytes.clone(),
        r#"
Parquet: 3 records
0 "One\n\n10" -> "1" [Math ["one", "two"] "A number"]
2 "Three\n\n30"
- record 1: empty instruction"#,
    );
    check_with(
        "a.parquet",
        bytes.clone(),
        &named(&["instruction=response"]),
        r#"
Parquet: 3 records
0 "1\n\n10" [Math ["one", "two"] "A number"]
1 "2\n\n20"
- record 2: empty instruction"#,
    );
    insta::assert_snapshot!(
        outcome("a.parquet", bytes.clone(), &named(&["instruction=prompt"])), @"
        cannot use a.parquet as a seed set: no record has a field `prompt`; the first one's fields: `instruction`, `response`, `input`, `domain`, `summary`, `keywords`
        hint: a file without instructions (a list of tags, say) is no seed set; if they have another name, say which: gra-bench seed import a.parquet --field instruction=NAME --out OUT.jsonl (or conversations=NAME, where it is a list of turns)
        ");
    insta::assert_snapshot!(
        outcome("cut.parquet", &bytes[..bytes.len() / 2], &LoadOptions::default()), @"
        cannot use cut.parquet as a seed set: its Parquet cannot be read: parquet: File out of specification: The file must end with PAR1
        hint: fetch it again, or convert it to .jsonl
        ");
}

#[test]
fn brought_annotations() {
    let with = |fields: &str| format!("{{\"instruction\":\"Go\",{fields}}}");
    for (fields, expected) in [
        (
            r#""domain":"role play","summary":" S ","keywords":["a","A "," b"]"#,
            r#"0 "Go" [Role Play ["a", "b"] "S"]"#,
        ),
        (
            r#""domain":"Coding","summary":"S","keywords":"[\"a, b\"]""#,
            r#"0 "Go" [Coding ["a, b"] "S"]"#,
        ),
        (r#""domain":null,"summary":"","keywords":[]"#, r#"0 "Go""#),
        (
            r#""domain":"Cooking","summary":"S","keywords":["a"]"#,
            "0 \"Go\"\n~ record 0 (line 1): annotation dropped: `Cooking` is none of the seven domains",
        ),
        (
            r#""domain":"Math","summary":"S","keywords":["a","b","c","d"]"#,
            "0 \"Go\"\n~ record 0 (line 1): annotation dropped: 4 keywords, and at most 3 are allowed",
        ),
        (
            r#""domain":"Math","keywords":["a"]"#,
            "0 \"Go\"\n~ record 0 (line 1): annotation dropped: it has no summary",
        ),
        (
            r#""domain":"Math","summary":"S","keywords":[" "]"#,
            "0 \"Go\"\n~ record 0 (line 1): annotation dropped: it has no keywords",
        ),
        (
            r#""domain":["Math"],"summary":"S","keywords":["a"]"#,
            "0 \"Go\"\n~ record 0 (line 1): annotation dropped: its domain cannot be read",
        ),
        (
            r#""domain":"Math","summary":"S","keywords":[1]"#,
            "0 \"Go\"\n~ record 0 (line 1): annotation dropped: its keywords cannot be read",
        ),
    ] {
        check("a.jsonl", with(fields), &format!("JSON Lines: 1 records\n{expected}"));
    }
}

#[test]
fn named_fields() {
    let text = r#"{"prompt":"One","context":"1","answer":"I","instruction":"not this"}"#;
    let options = named(&["instruction=Prompt", "input=context", "output=answer"]);
    check_with("a.jsonl", text, &options, "JSON Lines: 1 records\n0 \"One\\n\\n1\" -> \"I\"");
    for bad in ["prompt", "=x", "question=x", "input="] {
        assert!(assignment(bad).unwrap_err().to_string().contains("\nhint: "), "{bad}");
    }
}

#[test]
fn texts_are_kept_as_they_are() {
    let long = "x".repeat(100_000);
    check(
        "a.jsonl",
        format!("{{\"instruction\":\"{long}\"}}"),
        &format!("JSON Lines: 1 records\n0 {long:?}"),
    );
    check(
        "a.jsonl",
        r#"{"instruction":"\u0000a\u001bb"}"#,
        "JSON Lines: 1 records\n0 \"\\0a\\u{1b}b\"",
    );
    check("a.jsonl", r#"{"instruction":"写一首诗。"}"#, "JSON Lines: 1 records\n0 \"写一首诗。\"");
}

#[test]
fn remarks_go_with_their_items() {
    let record = r#"{"instruction":"Go","domain":"Math"}"#;
    let options = LoadOptions { limit: Some(1), ..LoadOptions::default() };
    let other = record.replace("Go", "Stay");
    check_with(
        "a.jsonl",
        [record, record, &other].join("\n"),
        &options,
        r#"
JSON Lines: 3 records
0 "Go"
- record 1 (line 2): same instruction as record 0
~ record 0 (line 1): annotation dropped: it has no summary
1 over the limit"#,
    );
}

#[test]
fn the_digest_is_that_of_the_file() {
    let set = read(Path::new("a.csv"), b"instruction\nabc\n".to_vec(), &LoadOptions::default());
    let expected = hex::encode(Sha256::digest(b"instruction\nabc\n"));
    assert_eq!(set.unwrap().sha256, expected);
}
