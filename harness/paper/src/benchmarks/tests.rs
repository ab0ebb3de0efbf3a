use proptest::prelude::*;

use super::*;

const HEADER: &str =
    "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n";

fn read(lines: &str) -> Result<Benchmarks, LineError> {
    Benchmarks::read(format!("{HEADER}{lines}").as_bytes())
}

#[test]
fn bad_lines_are_named() {
    let good = "qwen2.5-7b,alpaca,gra,5,gsm8k,71.5,1319,0\n";
    let bad = [
        "qwen,alpaca,gra,5,gsm8k,71.5,1319,0\n",
        "qwen2.5-7b,alpaca,gra,,gsm8k,71.5,1319,0\n",
        "qwen2.5-7b,alpaca,gra,6,gsm8k,71.5,1319,0\n",
        "qwen2.5-7b,alpaca,vanilla,1,gsm8k,71.5,1319,0\n",
        "qwen2.5-7b,alpaca,vanilla,,gsm9k,71.5,1319,0\n",
        "qwen2.5-7b,alpaca,vanilla,,gsm8k,NaN,1319,0\n",
        "qwen2.5-7b,alpaca,vanilla,,gsm8k,100.01,1319,0\n",
        "qwen2.5-7b,alpaca,vanilla,,gsm8k,71.5,0,0\n",
        "qwen2.5-7b,alpaca,vanilla,,gsm8k,71.5,1319,first\n",
        good,
    ];
    let errors = bad.map(|line| read(&format!("{good}{line}")).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
    let error = Benchmarks::read(b"base_model\nqwen2.5-7b\n").unwrap_err().to_string();
    assert_eq!(error, "there is no column `data_source`");
}

/// A score's field and its scale's, as they are read or refused.
fn scored(score: &str, scale: &str) -> String {
    let header = HEADER.replace("score", "score,scale");
    let line = format!("qwen2.5-7b,alpaca,gra,5,gsm8k,{score},{scale},1000,1\n");
    match Benchmarks::read(format!("{header}{line}").as_bytes()) {
        Err(error) => error.to_string(),
        Ok(benchmarks) => {
            let model = benchmarks.models().next().unwrap();
            exact::shown(benchmarks.of(model).unwrap().score(Benchmark::Gsm8k).unwrap().mean)
        }
    }
}

#[test]
fn scores_on_another_scale_are_converted_by_name_or_refused() {
    for (score, scale, percent) in [
        ("0.41", "fraction", "41"),
        ("1", "fraction", "100"),
        ("0", "", "0"),
        ("0.41", "percent", "0.41"),
        ("71.5%", "", "71.5"),
        ("71.5 %", "Percent", "71.5"),
        ("0.5%", "", "0.5"),
        ("1.0001", "", "1.0001"),
        ("0.4109173616376042", "fraction", "41.0917"),
    ] {
        assert_eq!(scored(score, scale), percent, "{score} {scale}");
    }
    let refused = [
        ("0.41", ""),
        ("1", ""),
        ("41", "fraction"),
        ("41%", "fraction"),
        ("0.41", "ratio"),
        ("-", ""),
        ("N/A", ""),
        ("", ""),
        ("nan", "fraction"),
        ("\"71,5\"", ""),
        ("\"71,5%\"", ""),
        ("71,5", ""),
        ("-3", ""),
    ];
    let errors = refused.map(|(score, scale)| format!("{score} {scale}: {}", scored(score, scale)));
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn the_way_out_fits_what_stands_there() {
    for (score, way_out) in [
        ("\"71,5 %\"", "hint: write 71.5 %, with a point"),
        ("0.715 \u{b1} 0.012", "hint: write the score alone"),
        ("7.15e1", "hint: write the score alone"),
        ("358/500", "hint: write the score alone"),
        ("n.a.", "hint: leave out the line"),
    ] {
        let error = scored(score, "");
        assert!(error.contains(way_out), "{error}");
    }
}

#[test]
fn trainings_have_a_mean_and_a_spread() {
    let lines = [(0, "70"), (1, "71"), (2, "72.5")];
    let line = |(seed, score)| format!("qwen2.5-7b,alpaca,gra,5,gsm8k,{score},1000,{seed}\n");
    let benchmarks = read(&lines.map(line).concat()).unwrap();
    let model = benchmarks.chosen(BaseModel::Qwen, SeedDataset::Alpaca, DataSource::Gra).unwrap();
    let score = benchmarks.of(model).unwrap().score(Benchmark::Gsm8k).unwrap();
    assert_eq!(
        (score.mean, score.n, score.trainings),
        (Ratio::new(71_166_667, 1_000_000), 1000, 3)
    );
    // numpy 2.3: np.std([70, 71, 72.5], ddof=1).
    assert!((score.spread.unwrap() - 1.258_305_739_211_791_6).abs() < 1e-12);
    let interval = score.interval.unwrap();
    assert!(68.0 < interval.low && interval.low < 71.2 && interval.high < 74.0, "{interval:?}");
    assert_eq!(benchmarks.of(model).unwrap().average(), None);
    assert_eq!(benchmarks.of(model).unwrap().score(Benchmark::Math), None);
}

#[test]
fn an_average_needs_all_ten_and_the_last_round_stands_for_gra() {
    let mut lines = String::new();
    for round in [1, 4] {
        for (place, benchmark) in Benchmark::ALL.into_iter().enumerate() {
            let score = 50 + place + round;
            let line = format!("llama-3.1-8b,condor,gra,{round},{benchmark},{score},100,7\n");
            lines.push_str(&line);
        }
    }
    let benchmarks = read(&lines).unwrap();
    let model = benchmarks.chosen(BaseModel::Llama, SeedDataset::Condor, DataSource::Gra).unwrap();
    assert_eq!(model.round, Some(4));
    let average = benchmarks.of(model).unwrap().average().unwrap();
    assert_eq!((average.mean, average.n, average.spread), (Ratio::new(1170, 20), 1000, None));
    // Ten scores about 58.5 of 100 items: the error is about 4.9 / sqrt(10).
    let half = average.interval.unwrap().high - 58.5;
    assert!((half - 1.96 * 4.9 / 10_f64.sqrt()).abs() < 0.05, "{half}");
}

#[test]
fn scores_at_the_ends_have_intervals() {
    for (score, low, high) in [(0, 0.0, 3.7), (100, 96.3, 100.0)] {
        let interval = binomial(Ratio::from(score), 100).unwrap();
        assert!((interval.low - low).abs() < 0.01 && (interval.high - high).abs() < 0.01);
    }
}

proptest! {
    #[test]
    fn whatever_a_field_holds_is_read_or_refused(
        fields in prop::array::uniform8("[a-z0-9., \"\n-]{0,12}"),
        place in 0_usize..8,
    ) {
        let mut line: Vec<String> =
            "qwen2.5-7b,alpaca,gra,5,gsm8k,71.5,1319,0".split(',').map(str::to_owned).collect();
        line[place].clone_from(&fields[place]);
        if let Ok(benchmarks) = read(&format!("{}\n", line.join(","))) {
            for model in benchmarks.models() {
                for benchmark in Benchmark::ALL {
                    let score = benchmarks.of(model).unwrap().score(benchmark);
                    prop_assert!(score.is_none_or(|score| score.mean <= Ratio::from(100)));
                }
            }
        }
        let _ = Benchmarks::read(fields.concat().as_bytes());
    }

    #[test]
    fn more_items_make_narrower_intervals(hundredths in 0_i128..=10_000, n in 1_u64..100_000) {
        let score = Ratio::new(hundredths, 100);
        let width = |n| binomial(score, n).map(|interval| interval.high - interval.low);
        let (few, many) = (width(n).unwrap(), width(4 * n).unwrap());
        prop_assert!(many < few, "{many} of {} items, {few} of {n}", 4 * n);
        prop_assert!((0.0..=100.0).contains(&few));
    }
}
