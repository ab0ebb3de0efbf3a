use super::*;
use crate::stats::measure::MeasureTable;

const TRAINS: &str = "Two trains leave the same station at noon and travel in opposite directions at forty \
                      and sixty kilometres per hour; how far apart are they after three hours?";
const SHEEP: &str =
    "A shepherd counts his sheep in the evening and finds that seventeen of them are missing.";

fn benchmark() -> Benchmark {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Benchmark {
        name: "sums".to_owned(),
        items: vec![
            texts(&[TRAINS, "300"]),
            texts(&[SHEEP]),
            texts(&["What is two plus two?", "4"]),
        ],
    }
}

fn of(samples: &[(&str, Option<&str>)]) -> Contamination {
    let samples = samples.iter().enumerate();
    let samples = samples.map(|(n, (x, y))| (format!("s{n:05}"), *x, *y)).collect();
    Contamination::of(&[SampleTexts { name: "a", samples }], &[benchmark()])
}

fn rows(found: &Contamination) -> Vec<(String, Option<f64>, Option<usize>)> {
    let mut table = MeasureTable::new(vec!["a".to_owned()]);
    found.describe(&mut table);
    let row =
        |m: &crate::stats::measure::Measure| (m.name.clone(), m.cells[0].value(), m.cells[0].n());
    table.measures().iter().map(row).collect()
}

#[test]
fn a_copied_item_is_found_with_its_words() {
    let copied = format!("Solve this: {}", TRAINS.to_uppercase().replace(';', " -"));
    let found = of(&[(&copied, Some("300 km")), ("Name a colour.", Some("Grey."))]);
    assert_eq!(
        rows(&found),
        [
            ("sums: samples with 13 words of it, share".to_owned(), Some(1.0), Some(1)),
            ("sums: items with 13 words in a sample, share".to_owned(), Some(0.5), Some(2)),
            (
                "sums: items found by 50% of their 8-grams (IDF), share".to_owned(),
                Some(0.5),
                Some(2)
            ),
        ]
    );
    let mut csv = Vec::new();
    found.write_csv(&mut csv).unwrap();
    insta::assert_snapshot!(String::from_utf8(csv).unwrap(), @r"
    data_set,sample,benchmark,item,rule,share_found,words
    a,s00000,sums,0,13 words,1.0000,two trains leave the same station at noon and travel in opposite directions
    ");
    assert_eq!(
        of(&[(
            "Name a colour that is none of red, green and blue, and say where it is found.",
            None
        )])
        .notes(),
        [
            "No contamination was found with sums.",
            "Items of benchmarks not checked for contamination, because they are shorter than 13 words: sums 1 of 3.",
        ]
    );
    assert_eq!(
        found.notes(),
        [
            "Samples not checked for contamination, because they are shorter than 13 words: a 1 of 2.",
            "Items of benchmarks not checked for contamination, because they are shorter than 13 words: sums 1 of 3.",
        ]
    );
}

#[test]
fn twelve_words_are_no_overlap() {
    let words: Vec<&str> = TRAINS.split_whitespace().collect();
    let twelve =
        format!("One reads: {} and so on, until the very end of the line.", words[..12].join(" "));
    let thirteen =
        format!("One reads: {} and so on, until the very end of the line.", words[..13].join(" "));
    let shares = [&twelve, &thirteen].map(|text| rows(&of(&[(text, None)]))[0].1);
    assert_eq!(shares, [Some(0.0), Some(1.0)]);
}

#[test]
fn an_item_changed_in_one_place_is_found_by_its_8_grams() {
    // Runs of 11, 9 and 6 words are left of 28: 6 of the 21 8-grams.
    let changed = TRAINS.replace("opposite", "different").replace("far", "long");
    let found = of(&[(&changed, None)]);
    let [samples, items, by_runs] = rows(&found).try_into().unwrap();
    assert_eq!((samples.1, items.1, by_runs.1), (Some(0.0), Some(0.0), Some(0.0)));
    let share = |text: &str| of(&[(text, None)]).data_sets[0].hits.first().map(|hit| hit.share);
    assert_eq!(share(&changed), None, "below half");
    let once = TRAINS.replace("far", "long");
    // The run of 21 words that is left is an overlap too, and has 14 of the 21.
    assert!((share(&once).unwrap() - 2.0 / 3.0).abs() < 1e-12, "{:?}", share(&once));
}

#[test]
fn what_eleven_samples_have_is_boilerplate() {
    let ten: Vec<(&str, Option<&str>)> = vec![(SHEEP, None); 10];
    let eleven: Vec<(&str, Option<&str>)> = vec![(SHEEP, None); 11];
    let overlapping = |samples: &[(&str, Option<&str>)]| rows(&of(samples))[0].1;
    assert_eq!((overlapping(&ten), overlapping(&eleven)), (Some(1.0), Some(0.0)));
    let notes = of(&eleven).notes();
    assert_eq!(
        notes.last().unwrap(),
        "Runs of 13 words that more than 10 samples have are no contamination: a 4."
    );
}

#[test]
fn words_do_not_run_from_instruction_to_response() {
    let (start, end) = TRAINS.split_at(TRAINS.find("travel").unwrap());
    let found = of(&[(start, Some(end)), ("x", None)]);
    // The end alone has 17 words of the item, so it is an overlap by itself.
    assert_eq!(found.data_sets[0].overlapping(0).0, 1);
    let (start, end) = SHEEP.split_at(SHEEP.find("and").unwrap());
    assert!(of(&[(start, Some(end))]).data_sets[0].hits.is_empty());
}

#[test]
fn rare_words_weigh_more_than_common_ones() {
    // Half of the items share a preamble; a sample with the preamble alone holds little of an item.
    let preamble = "Read the following passage with care and then answer the question below it";
    let mut benchmark = benchmark();
    let item = |n: usize| {
        vec![format!("{preamble}: {}", format!("w{n}a w{n}b w{n}c w{n}d w{n}e ").repeat(3))]
    };
    benchmark.items = (0..50).map(item).collect();
    let samples = vec![("s00000".to_owned(), preamble, None)];
    let found = Contamination::of(&[SampleTexts { name: "a", samples }], &[benchmark]);
    assert_eq!(found.data_sets[0].found_by_runs(0), 0);
    let few = found.data_sets[0].hits.iter().map(|hit| hit.share).fold(0.0, f64::max);
    assert!(few < 6.0 / 21.0, "{few}");
}

#[test]
fn runs_know_their_owners() {
    let texts = [vec!["a b c d".to_owned(), "x y".to_owned()], vec!["b C d, e".to_owned()]];
    let owners: Vec<&[String]> = texts.iter().map(Vec::as_slice).collect();
    let index = Index::of(&owners, 3);
    assert_eq!(index.runs(), 0..3);
    let mut found = Vec::new();
    index.look_up(&words("z a b c d e"), |run, words| {
        found.push((words.join(" "), index.owners(run).collect::<Vec<_>>()));
    });
    let expected = [("a b c", vec![0]), ("b c d", vec![0, 1]), ("c d e", vec![1])];
    let expected: Vec<(String, Vec<usize>)> =
        expected.into_iter().map(|(words, owners)| (words.to_owned(), owners)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_order_of_words_counts() {
    let of = |text: &str| runs(&words(text), 3);
    assert_ne!(of("a b c"), of("c b a"));
    assert_ne!(of("a b c"), of("ab b c"));
    assert!(of("a b").is_empty());
}

#[test]
fn counting_is_no_text() {
    let places = |text: &str| {
        let runs = runs(&words(text), 4);
        runs.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(places("1 2 3 4 5"), [0; 0]);
    assert_eq!(places("one 2 3 four 5 6 7"), [0]);
}
