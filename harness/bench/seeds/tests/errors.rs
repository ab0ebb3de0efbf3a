//! The texts of errors, and how many bad records a file may have.

use super::*;

#[test]
fn error_texts() {
    let plain = LoadOptions::default();
    let text = |name: &str, bytes: &[u8]| outcome(name, bytes, &plain);
    insta::assert_snapshot!(load(Path::new("no/such.json"), &plain).unwrap_err(), @"
        cannot use no/such.json as a seed set: No such file or directory (os error 2)
        hint: check the path: ls -l no/such.json
        ");
    insta::assert_snapshot!(load(Path::new("some-lab/some-set"), &plain).unwrap_err(), @"
        cannot use some-lab/some-set as a seed set: No such file or directory (os error 2)
        hint: a data set of the Hugging Face Hub has to be fetched first: hf download some-lab/some-set --repo-type dataset --local-dir FOLDER; else check the path: ls -l some-lab/some-set
        ");
    insta::assert_snapshot!(load(Path::new("https://a.org/b.json"), &plain).unwrap_err(), @"
        cannot use https://a.org/b.json as a seed set: No such file or directory (os error 2)
        hint: fetch the file first: curl -LO 'https://a.org/b.json'
        ");
    let folder = tempfile::tempdir().unwrap();
    let shown =
        |error: SeedError| error.to_string().replace(folder.path().to_str().unwrap(), "sets");
    insta::assert_snapshot!(shown(load(folder.path(), &plain).unwrap_err()), @"
        cannot use sets as a seed set: it is a folder
        hint: name a file of it: ls sets
        ");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    for name in ["README.md", "data/train-0.parquet", "data/train-1.parquet"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    insta::assert_snapshot!(shown(load(folder.path(), &plain).unwrap_err()), @"
        cannot use sets as a seed set: it is a folder
        hint: name one of its 2 files, such as sets/data/train-0.parquet; parts of one data set have to be put together first (JSON Lines with cat)
        ");
    insta::assert_snapshot!(text("empty.json", b" \n"), @"
        cannot use empty.json as a seed set: it has no records
        hint: a seed set needs at least one record with an instruction
        ");
    insta::assert_snapshot!(text("empty.json", b"[]"), @"
        cannot use empty.json as a seed set: it has no records
        hint: a seed set needs at least one record with an instruction
        ");
    insta::assert_snapshot!(text("notes.txt", b"Dear diary"), @"
        cannot use notes.txt as a seed set: its format is none of the known ones
        hint: say what it is (alpaca, sharegpt, jsonl, csv or parquet): gra-bench seed import notes.txt --format csv --out OUT.jsonl
        ");
    let broken = b"[\n {\"instruction\": \"One\"},\n {\"instruction\": Two}\n]";
    insta::assert_snapshot!(text("broken.json", broken), @"
        cannot use broken.json as a seed set: broken JSON on line 3, column 18: expected value
        hint: look at it: sed -n 3p broken.json; an array must be whole, but in a .jsonl file, with one record a line, broken lines are skipped and counted
        ");
    insta::assert_snapshot!(text("cut.json", b"[{\"instruction\": \"One\"},"), @"
        cannot use cut.json as a seed set: broken JSON on line 1, column 24: EOF while parsing a value
        hint: look at it: sed -n 1p cut.json; an array must be whole, but in a .jsonl file, with one record a line, broken lines are skipped and counted
        ");
    let latin = b"[\n{\"instruction\": \"Gr\xfc\xdfe\"}]";
    insta::assert_snapshot!(text("latin.json", latin), @"
        cannot use latin.json as a seed set: it is not UTF-8: byte 21, on line 2
        hint: if it is Latin-1 or of Windows, convert it: iconv -f CP1252 -t UTF-8 latin.json > OUT
        ");
    insta::assert_snapshot!(text("wide.json", b"[\0{\0}\0]\0"), @"
        cannot use wide.json as a seed set: it is UTF-16 without a byte order mark, which is not read
        hint: convert it: iconv -f UTF-16LE -t UTF-8 wide.json > OUT; iconv -l lists encodings
        ");
    let tags = b"{\"Art\": {\"Painting\": [\"Oil\"]}, \"Law\": {}}";
    insta::assert_snapshot!(text("tags.json", tags), @"
        cannot use tags.json as a seed set: no record has a field `instruction`; the first one's fields: `Art`, `Law`
        hint: a file without instructions (a list of tags, say) is no seed set; if they have another name, say which: gra-bench seed import tags.json --field instruction=NAME --out OUT.jsonl (or conversations=NAME, where it is a list of turns)
        ");
    insta::assert_snapshot!(text("open.csv", b"\"instruction,output\nOne,1\n"), @"
        cannot use open.csv as a seed set: its CSV cannot be read: a quote in its header is never closed
        hint: write it as .jsonl, with one record a line
        ");
    insta::assert_snapshot!(text("scalars.json", b"[1, 2]"), @r#"
        cannot use scalars.json as a seed set: none of its 2 record(s) can be used; record 0: a number where an object should be
        hint: write each record as an object: {"instruction": "..", "output": ".."}
        "#);
    insta::assert_snapshot!(text("bad.jsonl", mixed(3, 11).as_bytes()), @"
        cannot use bad.jsonl as a seed set: 11 of its 14 records are bad, and 10 are tolerated: broken-json 11; record 3 (line 4): broken JSON at column 1: EOF while parsing an object
        hint: repair the file, or say how many may be bad (else it is 1% of the records or 10, whichever is larger): gra-bench seed import bad.jsonl --max-bad 11 --out OUT.jsonl
        ");
    insta::assert_snapshot!(outcome("a.jsonl", mixed(3, 0), &named(&["output=anwser"])), @"
        cannot use a.jsonl as a seed set: no record has a field `anwser`; the first one's fields: `instruction`
        hint: name a field that the records have: --field output=NAME
        ");
    let parquet = LoadOptions { format: Some(Format::Parquet), ..LoadOptions::default() };
    insta::assert_snapshot!(outcome("a.json", "[]", &parquet), @"
        cannot use a.json as a seed set: it is no Parquet file
        hint: leave --format out to have the format found
        ");
    insta::assert_snapshot!(assignment("question").unwrap_err(), @"
        `question` does not say which field has which name
        hint: write FIELD=NAME, for example instruction=prompt; FIELD is one of instruction, input, output, conversations, system, history, domain, summary, keywords
        ");
}

/// Files that are no tables, by their first bytes: each is named for what it is.
#[test]
fn files_of_other_kinds_are_named() {
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, what) in [
        (&b"\xff\xff\xff\xff\x10\0\0\0"[..], "an Arrow stream"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"\x80\x04\x95", "a Python pickle"),
        (&tar, "a tar archive"),
        (b"GGUF\x03", "a model"),
    ] {
        let error = outcome("a.bin", bytes, &LoadOptions::default());
        assert!(error.contains(&format!("it is {what}\nhint: ")), "{error}");
    }
}

/// Good records `0..good`, then bad lines.
fn mixed(good: usize, bad: usize) -> String {
    let good = (0..good).map(|n| format!("{{\"instruction\":\"Do {n}\"}}\n"));
    good.chain((0..bad).map(|_| "{\n".to_owned())).collect()
}

#[test]
fn bad_records_up_to_the_limit() {
    for (good, bad, max_bad, fit) in [
        (1, 10, None, true),
        (1, 11, None, false),
        (1_980, 20, None, true),
        (1_979, 21, None, false),
        (10, 1, Some(0), false),
        (10, 0, Some(0), true),
        (10, 90, Some(90), true),
    ] {
        let options = LoadOptions { max_bad, ..LoadOptions::default() };
        let result = read(Path::new("a.jsonl"), mixed(good, bad).into_bytes(), &options);
        assert_eq!(result.is_ok(), fit, "{good} good, {bad} bad, limit {max_bad:?}");
    }
}

#[test]
fn a_limit_keeps_the_first_items_and_checks_the_rest() {
    let options = LoadOptions { limit: Some(2), ..LoadOptions::default() };
    check_with(
        "a.jsonl",
        mixed(4, 1),
        &options,
        r#"
JSON Lines: 5 records
0 "Do 0"
1 "Do 1"
- record 4 (line 5): broken JSON at column 1: EOF while parsing an object
2 over the limit"#,
    );
}
