//! What import and describe say and write.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: SeedArgs,
}

const SET: &str = concat!(
    r#"{"instruction": "Name a prime.", "output": "Seven.", "domain": "math", "#,
    r#""summary": "A prime number", "keywords": ["prime"]}"#,
    "\n",
    r#"{"instruction": "Grüße die Gäste.", "keywords": ["greeting"]}"#,
    "\n{broken\n",
    r#"{"instruction": " Name a prime. "}"#,
    "\n",
);

/// Imports [`SET`] in a folder of its own; what was said and what was written.
fn imported(more: &[&str]) -> Result<(String, String)> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("set.jsonl"), SET)?;
    let (set, out) = (path("set.jsonl"), path("out.jsonl"));
    let words = ["seed", "import", &set, "--out", &out].into_iter().chain(more.iter().copied());
    let Action::Import(args) = Cli::try_parse_from(words)?.args.action else { panic!("import") };
    let said = import(&args)?.replace(&path(""), "");
    Ok((said, std::fs::read_to_string(out)?))
}

#[test]
fn import_says_what_it_kept_and_writes_it() {
    let (said, written) = imported(&[]).unwrap();
    insta::assert_snapshot!(said, @"
        set.jsonl (JSON Lines)
        sha256 43284b6da4b2ba8524e17b4dfecbbd4cd3b85751497dfa074dee67409b6f5c45

        records                          4
        kept                             2
          with a response                1
          with an annotation             1

        skipped
          broken-json                    1
              record 2 (line 3): broken JSON at column 2: key must be a string
          repeat                         1
              record 3 (line 4): same instruction as record 0

        set aside of kept records
          annotation-incomplete          1
              record 1 (line 2): annotation dropped: it has no domain

        wrote out.jsonl
        ");
    insta::assert_snapshot!(written, @r#"
        {"instruction":"Name a prime.","output":"Seven.","domain":"Math","summary":"A prime number","keywords":["prime"]}
        {"instruction":"Grüße die Gäste."}
        "#);
}

#[test]
fn import_as_json_and_with_a_limit() {
    let (said, written) = imported(&["--json", "--limit", "1"]).unwrap();
    assert_eq!(written.lines().count(), 1);
    insta::assert_snapshot!(said, @r#"
        {
          "file": "set.jsonl",
          "out": "out.jsonl",
          "format": "jsonl",
          "sha256": "43284b6da4b2ba8524e17b4dfecbbd4cd3b85751497dfa074dee67409b6f5c45",
          "records": 4,
          "kept": 1,
          "over_limit": 1,
          "skipped": [
            {
              "name": "broken-json",
              "count": 1,
              "examples": [
                "record 2 (line 3): broken JSON at column 2: key must be a string"
              ]
            },
            {
              "name": "repeat",
              "count": 1,
              "examples": [
                "record 3 (line 4): same instruction as record 0"
              ]
            }
          ],
          "remarks": [],
          "unread": [],
          "with_response": 1,
          "with_annotation": 1
        }
        "#);
}

#[test]
fn import_never_replaces_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.jsonl");
    std::fs::write(&path, SET).unwrap();
    let name = path.to_str().unwrap();
    let Action::Import(args) = Cli::parse_from(["seed", "import", name, "--out", name]).args.action
    else {
        panic!("import");
    };
    assert!(import(&args).unwrap_err().to_string().contains("itself"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), SET);
}

#[test]
fn describe_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.jsonl");
    std::fs::write(&path, SET).unwrap();
    let set = seeds::load(&path, &LoadOptions::default()).unwrap();
    insta::assert_snapshot!(description_text(&describe(&set)).unwrap(), @"
        JSON Lines, sha256 43284b6da4b2ba8524e17b4dfecbbd4cd3b85751497dfa074dee67409b6f5c45

        records                          4
        kept                             2
          with a response                1
          with an annotation             1
          beyond ASCII                   1

        10.34% of the instructions' characters are beyond ASCII

        skipped
          broken-json                    1
              record 2 (line 3): broken JSON at column 2: key must be a string
          repeat                         1
              record 3 (line 4): same instruction as record 0

        set aside of kept records
          annotation-incomplete          1
              record 1 (line 2): annotation dropped: it has no domain

        domains of the annotations
          Coding                         0
          Math                           1
          QA                             0
          Reasoning                      0
          Role Play                      0
          Language                       0
          Creation                       0

        lengths                        min     25%  median     75%     max
          instruction, characters       13      13      13      16      16
          instruction, words             3       3       3       3       3
          response, characters           6       6       6       6       6
          response, words                1       1       1       1       1

        longest instructions
            record characters  begins
                 1         16  Grüße die Gäste.
                 0         13  Name a prime.
        ");
}
