//! Models in several parts, files that are cut short, and what `doctor` says of what it did not look at.

#[path = "../harness/llm/tests/support/gguf.rs"]
pub(crate) mod gguf;

use std::fs;
use std::path::Path;

use self::gguf::{F32, Gguf, write_parts};
use crate::workbench::Workbench;

/// A pool whose only member is in three parts, with an encoder and a teacher that is nowhere.
const POOL: &str = "name = \"parts\"\n\n[encoder]\nname = \"minilm\"\npath = \"minilm.gguf\"\n\n\
                    [[model]]\nname = \"split\" # three parts\npath = \"m-00001-of-00003.gguf\"\n\n\
                    [[teacher]]\nname = \"large\"\nrepo = \"org/large-GGUF\"\nfile = \"large.gguf\"\n\
                    revision = \"v2\"\n";

/// A folder with this pool and its files, which are large enough to be looked at and not to be run.
fn bench() -> Workbench {
    let alone = "[[variant]]\nname = \"gra\"\nroles = \"single-model\"\nreviewers = \"none\"\n";
    let bench = Workbench::new(alone, "rounds = 1");
    bench.write("pool.toml", POOL);
    let models = bench.path("models");
    fs::create_dir(&models).unwrap();
    write_parts(&models, "m");
    let encoder = Gguf::default().text("general.architecture", "bert");
    encoder.tensor("token_embd.weight", &[4, 2], F32, 32).write(&models.join("minilm.gguf"));
    bench
}

/// What `doctor` prints, without the folder's name. The hub's cache is empty.
fn doctor(bench: &Workbench, more: &[&str]) -> String {
    let arguments = [&["doctor", "--pool", "pool.toml", "--models", "models"], more].concat();
    let output = bench.command(&arguments).env("HF_HOME", bench.path("hub")).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    text.concat().replace(&bench.path("").display().to_string(), "HERE/")
}

fn cut(file: &Path, bytes: usize) {
    let whole = fs::read(file).unwrap();
    fs::write(file, &whole[..whole.len() - bytes]).unwrap();
}

#[test]
fn doctor_looks_at_every_part_and_pins_it() {
    let bench = bench();
    let said = doctor(&bench, &[]);
    for part in [
        "split: part 2 of 3, 0 MB: models/m-00002-of-00003.gguf",
        "1 member and the encoder: all files here, headers read",
        "teacher `large`: not all of its files are here",
        "the hub cache HERE/hub/hub (set by HF_HOME), which does not exist, holds nothing of",
        "hint: hf download org/large-GGUF large.gguf --revision v2",
        "split: to pin it: sha256 = [\"",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    let whole = said.lines().position(|line| line == "not looked at").unwrap();
    let end = said.lines().position(|line| line == "no problems found in what was looked at");
    assert!(end.is_none_or(|end| end > whole), "what was left out is said first:\n{said}");

    let said = doctor(&bench, &["--pin"]);
    assert!(said.contains("split: pinned now: sha256 = [\""), "{said}");
    let pinned = fs::read_to_string(bench.path("pool.toml")).unwrap();
    assert_eq!(pinned.matches("\n    \"").count(), 3, "a hash for each part:\n{pinned}");
    assert!(pinned.contains("# three parts"), "{pinned}");
    assert!(doctor(&bench, &[]).contains("1 member and the encoder: hashes as the pool pins them"));

    let part = bench.path("models/m-00003-of-00003.gguf");
    let mut bytes = fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&part, bytes).unwrap();
    let said = doctor(&bench, &[]);
    assert!(said.contains("model `split`: models/m-00003-of-00003.gguf has sha256"), "{said}");
    fs::remove_file(&part).unwrap();
    let said = doctor(&bench, &[]);
    assert!(said.contains("part 3 of 3 of model `split` is missing: models/m-00003-of"), "{said}");
    assert!(said.contains("member `split`: not all of its files are here"), "{said}");
    assert!(!said.contains("no problems found"), "{said}");
}

#[test]
fn a_damaged_file_is_not_pinned_and_ends_a_run_before_it_begins() {
    let check = |file: &str, expected: &[&str]| {
        let bench = bench();
        cut(&bench.path("models").join(file), 1);
        let said = doctor(&bench, &["--pin"]);
        let run = ["run", "experiment.toml", "--models", "models", "-q"];
        let refused = bench.transcript(&run);
        for part in expected {
            assert!(said.contains(part), "{part} is missing in:\n{said}");
            assert!(refused.contains(part), "{part} is missing in:\n{refused}");
        }
        assert!(refused.ends_with("exit code 4"), "{refused}");
        let pool = fs::read_to_string(bench.path("pool.toml")).unwrap();
        assert_eq!(pool.matches("sha256 =").count(), 1, "only what is whole is pinned:\n{pool}");
        assert!(bench.transcript(&["inspect", "small/gra/seed-42"]).contains("the store holds no"));
    };
    check("m-00002-of-00003.gguf", &["`split`", "in its part m-00002-of-00003.gguf", "cut short"]);
    check("m-00001-of-00003.gguf", &["`split`", "m-00001-of-00003.gguf: it is cut short"]);
    check("minilm.gguf", &["`minilm`", "minilm.gguf: it is cut short"]);
}
