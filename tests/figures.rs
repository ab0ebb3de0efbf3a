//! `figures` on a store that a test has written, on files as `stats` writes them, and on nothing.

use std::fmt::Write;
use std::path::Path;

use gra_analysis::frames::{self, MeasuredSample};
use gra_analysis::ifd::{Loss, LossPair};

use crate::looking_back::bench;
use crate::workbench::Workbench;

fn empty() -> Workbench {
    Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1")
}

/// A frame and its places on the map, as `stats` would have written them.
fn record(bench: &Workbench, name: &str, judged: bool) {
    let sample = |number: u32| {
        let at = f64::from(number);
        let loss = |mean| Loss { mean, tokens: 20 };
        let (conditional, direct) = (loss(1.0 + at / 40.0), loss(2.0));
        MeasuredSample {
            id: format!("s{number:05}"),
            items: vec![format!("s{number:05}")],
            domain: None,
            generator: None,
            round: None,
            instruction: "Instruction".to_owned(),
            response: Some("Response".to_owned()),
            mu: judged.then_some(8.0 + at / 20.0),
            sigma: None,
            judge: judged.then_some(7.0 + f64::from(number % 4)),
            second_judge: None,
            difficulty: Some(Ok(LossPair { conditional, direct, truncated: false })),
            nearest_distance: None,
        }
    };
    let samples: Vec<MeasuredSample> = (0..30).map(sample).collect();
    let mut parquet = Vec::new();
    frames::write_parquet(&frames::samples(&samples).unwrap(), &mut parquet).unwrap();
    let folder = bench.path("results/stats");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.parquet")), parquet).unwrap();
    let map = folder.join("map.csv");
    let mut csv = std::fs::read_to_string(&map).unwrap_or("data_set,id,x,y\n".to_owned());
    for sample in samples {
        let x = csv.len();
        writeln!(csv, "{name},{},{x},1.5", sample.id).unwrap();
    }
    std::fs::write(map, csv).unwrap();
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn everything_that_is_stored_is_drawn_twice_alike() {
    let bench = bench();
    insta::assert_snapshot!("figures-of-a-store", bench.transcript(&["figures"]));
    let first = files(&bench.path("figures"));
    for (name, bytes) in &first {
        let begins: &[u8] = if name.contains(".svg") { b"<svg " } else { b"\x89PNG\r\n" };
        assert!(bytes.starts_with(begins), "{name}");
    }
    // Trials with the same reviews have the same pictures, which are drawn once.
    let said = bench.transcript(&["figures"]);
    assert!(
        said.contains("funnel of small/adjudicated/seed-42: same as of small/gra/seed-42"),
        "{said}"
    );
    assert!(!bench.path("figures/funnel.small-adjudicated-seed-42.svg").exists());
    assert!(files(&bench.path("figures")) == first, "the same bytes again");
}

#[test]
fn without_anything_the_papers_own_figures_are_drawn() {
    let bench = empty();
    insta::assert_snapshot!(
        "figures-of-nothing",
        bench.transcript(&["figures", "--format", "svg"])
    );
    let names: Vec<String> =
        files(&bench.path("figures")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["figure-1.svg", "figure-3.svg"]);
}

#[test]
fn what_stats_measured_is_drawn() {
    let bench = empty();
    record(&bench, "seeds", false);
    record(&bench, "small-gra-seed-42", true);
    let output = bench.run(&["figures", "--only", "5,6,7,8", "--out", "pictures", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |part: &str| -> Vec<String> {
        let entries = json[part].as_array().unwrap().iter();
        entries.map(|entry| entry["figure"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (of("drawn"), of("missing")),
        (vec!["5".into(), "7".into(), "8".into()], vec!["6".into()])
    );
    assert!(json["missing"][0]["why"].as_str().unwrap().contains("distill-large"), "{json}");
    assert_eq!(json["drawn"][1]["about"], "small-gra-seed-42");
    let violins = std::fs::read_to_string(bench.path("pictures/figure-8.svg")).unwrap();
    assert!(violins.contains("small-gra-seed-42") && violins.contains("distill-large"));
}

#[test]
fn what_cannot_be_read_or_found_is_named() {
    let bench = bench();
    insta::assert_snapshot!(bench.transcript(&["figures", "large", "--only", "funnel"]), @"
    error: the store holds no `large`
    hint: the store's experiments are small
    exit code 3
    ");
    insta::assert_snapshot!(bench.transcript(&["figures", "--only", "6"]), @"
    Not drawn:
      6: there is no map.csv in results/stats
        gra-bench stats vanilla=SEEDS.json distill-large=DISTILLED.json gra=EXPERIMENT/gra/seed-N --map

    0 figures drawn, 1 not.
    error: nothing was drawn: what the figures asked for need is not there
    exit code 1
    ");
    std::fs::create_dir_all(bench.path("results/stats")).unwrap();
    bench.write("results/stats/map.csv", "data_set,id,x,y\nseeds,s1,1.0,NaN\n");
    insta::assert_snapshot!(bench.transcript(&["figures", "--only", "5"]), @"
    error: cannot read results/stats/map.csv: line 2: a place is no number
    exit code 3
    ");
    bench.write("results/stats/map.csv", "data_set,id,x,y\nseeds,s1,1.0,2.0\n");
    bench.write("results/stats/seeds.parquet", "no parquet");
    insta::assert_snapshot!(bench.transcript(&["figures", "--only", "8"]), @"
    error: results/stats/seeds.parquet is no frame of samples: parquet: File out of specification: A Parquet file must contain a header and footer with at least 12 bytes
    exit code 3
    ");
    bench.write("results/benchmarks.csv", "base_model\nqwen\n");
    insta::assert_snapshot!(bench.transcript(&["figures", "--only", "1"]), @"
    error: results/benchmarks.csv: there is no column `data_source`
    exit code 3
    ");
}

#[test]
fn a_damaged_file_costs_only_the_figures_that_need_it() {
    let bench = bench();
    record(&bench, "seeds", false);
    record(&bench, "small-gra-seed-42", true);
    bench.write("results/stats/other.parquet", "no parquet");
    bench.write("results/benchmarks.csv", "base_model\nqwen\n");
    let output = bench.run(&["figures", "--json", "--format", "svg"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds = |part: &str, needle: &str| -> Vec<String> {
        let entries = json[part].as_array().unwrap().iter();
        let entries = entries.filter(|entry| entry.to_string().contains(needle));
        entries.map(|entry| entry["figure"].as_str().unwrap().to_owned()).collect()
    };
    for kind in ["4", "5", "7", "8", "funnel"] {
        assert!(kinds("drawn", "").contains(&kind.to_owned()), "{kind} in {json}");
    }
    assert_eq!(kinds("missing", "other.parquet is no frame of samples"), ["7", "8"]);
    assert_eq!(kinds("missing", "benchmarks.csv: there is no column"), ["1", "3", "4"]);

    bench.write("results/stats/map.csv", "data_set,id,x,y\nseeds,s1,1.0,NaN\n");
    let output = bench.run(&["figures", "--json", "--format", "svg", "--only", "5,7"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["drawn"][0]["figure"], "7", "{json}");
    assert!(json["missing"][0]["why"].as_str().unwrap().contains("line 2: a place is no number"));
}

#[test]
fn letters_that_the_font_lacks_are_marked_and_named() {
    let bench = empty();
    record(&bench, "\u{901a}\u{4e49}-\u{1f999}", true);
    let output = bench.run(&["figures", "--only", "7"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let note = "Drawn as \u{fffd} in PNG files, because the font lacks them: \u{4e49}\u{901a}\u{1f999} \
                (--system-fonts draws them with this machine's fonts; SVG files keep them).";
    assert!(said.contains(note), "{said}");
    let names: Vec<String> = files(&bench.path("figures")).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let svg = std::fs::read_to_string(bench.path("figures").join(&names[1])).unwrap();
    assert!(svg.contains("\u{901a}\u{4e49}"), "an SVG keeps its text");

    // Nothing is marked where only SVG files are written, or where there is nothing to mark.
    for arguments in [["--only", "7", "--format", "svg"], ["--only", "1", "--format", "png"]] {
        let output = bench.run(&[&["figures"], arguments.as_slice()].concat());
        assert!(!String::from_utf8_lossy(&output.stdout).contains("lacks"));
    }
}
