//! Properties of any bytes.

use proptest::prelude::*;

use super::*;

/// Bytes that look like one format or another for a while.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let starts = prop::sample::select(vec![
        &b""[..],
        b"[",
        b"{",
        b"[{\"instruction\":",
        b"{\"conversations\":[",
        b"instruction,output\n\"",
        b"\xef\xbb\xbf",
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        b"PAR1",
    ]);
    let tokens = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\n",
        "null",
        "1",
        "instruction",
        "\"instruction\":",
        "\"from\":\"human\"",
        "\"value\":\"x\"",
        "domain",
        "PAR1",
    ]);
    let some_tokens = prop::collection::vec(tokens, 0..30).prop_map(|t| t.concat().into_bytes());
    let body = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), some_tokens];
    (starts, body).prop_map(|(start, body)| [start, &body].concat())
}

proptest! {
    #[test]
    fn any_bytes_are_a_set_or_an_error(
        bytes in any_bytes(),
        name in prop::sample::select(vec!["a.json", "a.jsonl", "a.csv", "a.parquet", "a"]),
    ) {
        let options = LoadOptions { max_bad: Some(usize::MAX), ..LoadOptions::default() };
        if let Ok(set) = read(Path::new(name), bytes, &options) {
            prop_assert_eq!(set.items.len() + set.skipped.len(), set.records);
            let numbers: Vec<u32> = set.items.iter().map(|item| item.number).collect();
            prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn the_normalised_form_reads_back(texts in prop::collection::vec((".*", ".*"), 1..20)) {
        let lines: Vec<String> = texts
            .iter()
            .map(|(one, two)| serde_json::json!({"instruction": one, "output": two}).to_string())
            .collect();
        let options = LoadOptions { max_bad: Some(usize::MAX), ..LoadOptions::default() };
        let path = Path::new("a.jsonl");
        if let Ok(first) = read(path, lines.join("\n").into_bytes(), &options) {
            let again = read(path, to_json_lines(&first.items).unwrap(), &options).unwrap();
            prop_assert!(again.skipped.is_empty());
            let content = |set: &SeedSet| -> Vec<_> {
                set.items.iter().map(|i| (i.instruction.clone(), i.response.clone())).collect()
            };
            prop_assert_eq!(content(&first), content(&again));
        }
    }
}

/// The damage that downloads do. See `seeds::rows::parquet` for the damage that no caller can catch.
#[test]
fn a_parquet_file_cut_anywhere_is_an_error() {
    let whole = parquet_file();
    for length in 0..whole.len() {
        let cut = whole[..length].to_vec();
        assert!(read(Path::new("a.parquet"), cut, &LoadOptions::default()).is_err(), "{length}");
    }
}
