use super::*;

fn paper() -> Reference {
    Reference::embedded().unwrap()
}

/// The rows whose printed average is not the mean of their ten columns: an audit of the paper by other
/// code (exact fractions, half up).
#[test]
fn ten_averages_of_table_1_and_nine_of_table_3_are_not_means() {
    let paper = paper();
    let shown = |scores: &PrintedScores| {
        let mean = scores.mean();
        format!("{} is {:.3}", exact::fixed(scores.average, 2), exact::to_f64(mean))
    };
    let fits = |scores: &PrintedScores| exact::round(scores.mean(), 2) == scores.average;
    let main = paper.main.iter().filter(|(_, scores)| !fits(scores));
    let main = main.map(|((base, seed, source), scores)| {
        format!("table1/{base}/{seed}/{source}: {}", shown(scores))
    });
    let iterations = paper.iterations.iter().filter(|(_, row)| !fits(&row.scores));
    let iterations = iterations.map(|((base, seed, round), row)| {
        format!("table3/{base}/{seed}/{round}: {}", shown(&row.scores))
    });
    let rows: Vec<String> = main.chain(iterations).collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn numbers_have_names() {
    let paper = paper();
    let cases = [
        ("table1/qwen2.5-7b/alpaca/gra/avg", "60.36"),
        ("table2/llama-3.1-8b/condor/gra-refined/avg", "47.68"),
        ("table2/qwen2.5-7b/condor/gra-refined/avg", "45.50"),
        ("table3/qwen2.5-7b/alpaca/3/gsm8k", "70.28"),
        ("figure8/gra/ifd", "75.82"),
        ("figure8/gra-less-vanilla/difference", "14.58"),
        ("claims/P28", "0.73"),
        ("claims/P20", ">0"),
    ];
    for (path, text) in cases {
        let found = paper.number(path).unwrap();
        assert_eq!((found.text.as_str(), found.number), (text, exact::parse(text)), "{path}");
    }
    assert_eq!(paper.number("claims/P51").unwrap().number, None);
}

#[test]
fn every_name_leads_to_one_number() {
    let paper = paper();
    let mut paths: Vec<String> = paper.numbers().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths.len(), 24 * 11 + 24 + 30 * 11 + paper.figures.len() + paper.claims.len());
    for path in &paths {
        assert!(!path.contains(' '), "{path}");
        assert!(
            !matches!(paper.number(path), Err(PathError::Unknown { .. })),
            "{path} is not known"
        );
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 24 * 11 + 24 + 30 * 11 + paper.figures.len() + paper.claims.len());
}

#[test]
fn a_wrong_name_is_told_the_nearest() {
    let paper = paper();
    let wrong = [
        "table1/qwen2.5-7b/alpaca/gra/average",
        "table1/qwen-2.5-7b/alpaca/gra/avg",
        "table3/qwen2.5-7b/alpaca/6/gsm8k",
        "claims/P99",
        "claims/P27",
        "weather",
        "",
    ];
    let errors = wrong.map(|path| paper.number(path).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn figures_repeat_the_tables_and_follow_from_the_text() {
    let paper = paper();
    let value = |path: &str| paper.number(path).unwrap().number.unwrap();
    let mut from_tables = 0;
    for number in &paper.figures {
        if number.known == Known::Table {
            assert_eq!(number.value, value(&number.source), "{}", number.source);
            from_tables += 1;
        }
    }
    assert_eq!(from_tables, 27);
    for source in DataSource::MAIN {
        let of = |seed| paper.main(BaseModel::Qwen, seed, source).unwrap().average;
        let mean = SeedDataset::ALL.map(of).into_iter().sum::<Ratio>() / 3;
        assert_eq!(value(&format!("figure1/{source}/mean")), exact::round(mean, 2), "{source}");
    }
    let (gra, above) = (value("figure8/gra/ifd"), value("figure8/gra-less-vanilla/difference"));
    assert_eq!(value("figure8/vanilla/ifd-if-points"), gra - above);
    let hundred = Ratio::from(100);
    let relative = gra * hundred / (hundred + above);
    assert_eq!(value("figure8/vanilla/ifd-if-per-cent"), exact::round(relative, 2));
    let ablation = value("figure4/gra/score") - value("figure4/gra-less-no-adjudicator/difference");
    assert_eq!(value("figure4/no-adjudicator/score"), ablation);
    assert_eq!(value("figure7/judge/above-8") + value("figure7/judge/at-most-8"), hundred);
}

#[test]
fn table_1_reports_a_round_of_table_3() {
    let paper = paper();
    let rounds =
        BaseModel::ALL.map(|base| SeedDataset::ALL.map(|seed| paper.matched_rounds(base, seed)));
    // The audit's reading: Qwen 3, 5, 5 and Llama 5, 4, 5.
    assert_eq!(rounds, [[vec![3], vec![5], vec![5]], [vec![5], vec![4], vec![5]]]);
}

#[test]
fn broken_files_are_named() {
    let rows = |csv| read::<u8, Vec<u8>>(("x.csv", csv), |line| line.read("n"));
    assert_eq!(
        rows("n\n300\n").unwrap_err().to_string(),
        "x.csv: line 2, column `n`: number too large to fit in target type"
    );
    let twice = complete("x.csv", vec![(1, 'a'), (1, 'b')], 2).unwrap_err();
    assert_eq!(twice.to_string(), "x.csv has 1 different rows, not 2");
}
