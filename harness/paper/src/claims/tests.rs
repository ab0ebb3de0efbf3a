use super::*;
use crate::Kind;
use crate::exact::Ratio;

fn paper() -> Reference {
    Reference::embedded().unwrap()
}

/// The recomputed column of `claims.csv` is from an independent computation (Python's fractions and
/// floats); every formula here gives the same text.
#[test]
fn every_formula_gives_what_the_audit_found() {
    let findings = audit(&paper(), &Measured::default());
    let mut wrong = Vec::new();
    for finding in &findings {
        let Finding { claim, recomputed, .. } = finding;
        let found = finding.recomputed_text().unwrap_or_default();
        if found != claim.recomputed || recomputed.is_some() == claim.formula.is_empty() {
            wrong.push(format!("{}: {found:?}, not {:?}", claim.id, claim.recomputed));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(findings.len(), 120);
    assert_eq!(findings.iter().filter(|finding| finding.recomputed.is_some()).count(), 75);
    assert_eq!(findings.iter().filter(|finding| finding.claim.is_stated()).count(), 20);
}

/// What a rule says of printed and recomputed must be the verdict. Where the number alone does not decide
/// (a claim in words, a number that is something else), the audit may say more, never less.
#[test]
fn verdicts_follow_from_their_numbers() {
    use ClaimVerdict::{Contradicted, Holds, NotMeasurable, Off};
    let mut judged = 0;
    for Finding { claim, recomputed, .. } in audit(&paper(), &Measured::default()) {
        let rule = recomputed.as_ref().and_then(|value| judge(&claim.printed, value));
        let Some(rule) = rule else { continue };
        judged += 1;
        let fits = match (rule, claim.verdict) {
            (Holds, verdict) => verdict == Holds,
            (Off(by), Off(stated)) => by == stated,
            (Off(_), verdict) => matches!(verdict, Contradicted | NotMeasurable),
            (rule, verdict) => rule == verdict,
        };
        assert!(fits, "{}: {} by its numbers, {} in the file", claim.id, rule, claim.verdict);
    }
    assert_eq!(judged, 55);
}

#[test]
fn counts_by_verdict() {
    let findings = audit(&paper(), &Measured::default());
    let text = terminal(&findings, |_| true);
    let counts: Vec<&str> = text.lines().take(6).collect();
    insta::assert_snapshot!(counts.join("\n"), @"
    verdict             finding  bookkeeping  consistency  derived  all
    holds                    10           21            6        3   40
    off                       6            4            7        5   22
    contradicted              4            7           14        1   26
    not measurable yet       11            0            0        0   11
    derived                   0            0            0       21   21
    ");
}

#[test]
fn a_claim_is_a_few_short_lines() {
    let findings = audit(&paper(), &Measured::default());
    let some =
        |finding: &Finding| ["P11", "P13", "P22", "P51"].contains(&finding.claim.id.as_str());
    let text = terminal(&findings, some);
    insta::assert_snapshot!(text, @"
    verdict             finding  bookkeeping  consistency  derived  all
    holds                    10           21            6        3   40
    off                       6            4            7        5   22
    contradicted              4            7           14        1   26
    not measurable yet       11            0            0        0   11
    derived                   0            0            0       21   21

    What the paper finds

    P13  off by 0.2; section 4.2
         Mean gain over vanilla seed data, Llama base
         printed 6.18, recomputed 6.38: mean_s T1(L,s,gra) - mean_s T1(L,s,vanilla)
         reproduced only with iterations (4, 4, 5): A05; Table 2 happens to give
         6.18 too: A09
         here not measured yet; takes scores of the trained models that it compares,
         in benchmarks.csv

    P22  off by 8; section 4.2
         GRA beats vanilla on every benchmark, cell by cell (out of sixty)
         printed 60, recomputed 52: #{b,s,c: T1(b,s,gra,c) > T1(b,s,vanilla,c)}
         seven losses and one tie; the wording does not say which reading is meant
         here not measured yet; takes scores of the trained models that it compares,
         in benchmarks.csv

    What the paper says of its own set-up, and sums that add up

    P11  off by 1; section 4.1
         Total synthesised over five rounds, in thousands (five rounds of about ten)
         printed 51; stated, nothing to compute
         section 4.3 and Table 3 say 50K

    P51  holds; Appendix A
         Thresholds 8, 1.5 and 0.9 agree between section 4.1 and appendix A
         printed 8 1.5 0.9, recomputed -
    ");
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn results_are_joined_by_their_files() {
    let mut measured = Measured::default();
    let stats = "group,measure,data_set,value,low,high,n,absent\n\
                 data,samples measured,gra,80,,,80,\n\
                 data,samples of a demonstration,gra,,,,,it is of no demonstration\n\
                 judge,\"judge > 8, share of accepted\",gra,0.9125,0.89,0.95,80,\n\
                 judge,mu: entropy in bits,gra,3.5,,,80,\n\
                 judge,judge: entropy in bits,gra,2,,,80,\n\
                 diversity,Vendi score,gra,30,,,80,\n\
                 diversity,Vendi score,vanilla,40,,,80,\n\
                 ifd,\"loss-ratio, mean over all\",gra,0.75,,,80,\n\
                 ifd,\"loss-ratio, mean over all\",vanilla,0.625,,,80,\n\
                 ifd,\"loss-ratio, mean over all\",distill-large,,,,,no losses were measured\n\
                 against the first,\"loss-ratio, difference\",vanilla,-0.125,-0.25,0,80,\n";
    measured.read_stats("stats.csv", stats.as_bytes()).unwrap();
    // The paper's trial, a dearer and a cheaper one, one of small models, and a what-if.
    for (trial, flop, times, assumed) in [
        ("ablation/gra/seed-1", 15_200_000_000_000_u64, 0.001, ""),
        ("main-paper/gra/seed-1", 15_200_000_000_000, 1.5, ""),
        ("main-paper/gra/seed-2", 15_200_000_000_000, 0.5, ""),
        ("main/gra/seed-1", 2, 0.001, ""),
        ("main/gra/seed-2", 15_200_000_000_000, 0.002, "7600000000"),
    ] {
        let compute = format!(
            "trial,stage,samples,calls,prompt_tokens,reply_tokens,prompt_flop,reply_flop,times_teacher,assumed_parameters\n\
             {trial},total,10,200,,,,,,\n{trial},rounds,10,155,900,100,{flop},0,{times},{assumed}\n"
        );
        measured.read_compute("a.csv", compute.as_bytes()).unwrap();
    }
    let benchmarks = llama_scores(&[("single-reviewer", 51), ("no-reviewer", 50)]);
    measured.read_benchmarks("benchmarks.csv", benchmarks.as_bytes()).unwrap();

    let findings = audit(&paper(), &measured);
    let here = |id: &str| {
        let here = &findings.iter().find(|f| f.claim.id == id).unwrap().here;
        match here {
            Measurement::Measured { verdict, from, .. } => {
                let verdict = verdict.map(|verdict| format!(" {verdict}")).unwrap_or_default();
                format!("{}{verdict}: {from}", here.number().unwrap())
            }
            Measurement::Missing(what) => format!("missing: {what}"),
            Measurement::Inapplicable => "inapplicable".to_owned(),
        }
    };
    let ids = ["P03", "P27", "P28", "P48", "P49", "P50", "P60", "P61", "P62", "P63", "A21"];
    let lines = ids.map(|id| format!("{id} {}", here(id).trim_end()));
    insta::assert_snapshot!(lines.join("\n"), @"
    P03 1.5 contradicted: main-paper/gra/seed-1.compute.csv, a large model's operations being 1; one of 3 trials of full GRA
    P27 1 [-3.3822, 5.3822]: benchmarks.csv; the interval is for other items, not for other trainings
    P28 missing: scores of the trained models that it compares, in benchmarks.csv
    P48 inapplicable
    P49 missing: gra-bench stats gra=TRIAL distill-large=FILE --ifd MODEL
    P50 12.5 [0, 25] cannot tell: stats.csv, ifd: loss-ratio, mean over all, gra less vanilla
    P60 -10: stats.csv, diversity: Vendi score, gra less vanilla, without an interval
    P61 missing: gra-bench stats gra=TRIAL distill-large=FILE
    P62 1.5: stats.csv, judge: entropy in bits of mu less that of the judge, without an interval
    P63 91.25 [89, 95] holds: stats.csv, judge: judge > 8, share of accepted, in per cent, n 80
    A21 15.5: main/gra/seed-1.compute.csv, rejected candidates included; one of 4 trials of full GRA
    ");
}

/// What a demonstration's samples measure is about the demonstration.
#[test]
fn demonstrations_decide_nothing() {
    let stats = |marked: &str| {
        let mut measured = Measured::default();
        let csv = format!(
            "group,measure,data_set,value,low,high,n,absent\n\
             judge,\"judge > 8, share of accepted\",gra,0.9,0.8,0.95,80,\n\
             data,samples of a demonstration,gra,{marked}\n"
        );
        measured.read_stats("stats.csv", csv.as_bytes()).unwrap();
        let found = audit(&paper(), &measured).into_iter().find(|f| f.claim.id == "P63").unwrap();
        matches!(found.here, Measurement::Measured { .. })
    };
    assert!(stats(",,,,it is of no demonstration"));
    assert!(!stats("80,,,80,"));
}

/// A `benchmarks.csv`: one training of Llama on Alpaca per source, with one score on a hundred items of each benchmark.
fn llama_scores(scores: &[(&str, u32)]) -> String {
    let header = "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n";
    let lines = scores.iter().flat_map(|(source, score)| {
        crate::Benchmark::ALL
            .map(|benchmark| format!("llama-3.1-8b,alpaca,{source},,{benchmark},{score},100,0\n"))
    });
    std::iter::once(header.to_owned()).chain(lines).collect()
}

/// The interval of a difference of two averages is that of their summed variances.
#[test]
fn scores_have_the_binomial_interval_of_their_formula() {
    let csv = llama_scores(&[("single-reviewer", 51), ("no-reviewer", 50)]);
    let mut measured = Measured::default();
    measured.read_benchmarks("benchmarks.csv", csv.as_bytes()).unwrap();
    let findings = audit(&paper(), &measured);
    let p27 = findings.iter().find(|finding| finding.claim.id == "P27").unwrap();
    let Measurement::Measured { interval: Some((low, high)), .. } = &p27.here else {
        panic!("{:?}", p27.here)
    };
    // Each average has a variance of 10 x 25 points squared over a hundred.
    let half = 1.959_963_985 * (0.1 * (0.51_f64 * 49.0 + 25.0)).sqrt();
    let found = [low, high].map(|end| crate::exact::to_f64(*end));
    assert!((found[0] - (1.0 - half)).abs() < 1e-4, "{found:?}, half {half}");
    assert!((found[1] - (1.0 + half)).abs() < 1e-4, "{found:?}");
}

/// The printed tables as if they had been measured: every claim about models gets the recomputed value,
/// unless the printed averages are no means.
#[test]
fn measured_scores_go_through_the_same_formulas() {
    let paper = paper();
    let mut csv = String::from(
        "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n",
    );
    for base in crate::BaseModel::ALL {
        for seed in crate::SeedDataset::ALL {
            for round in crate::ITERATIONS {
                let scores = paper.iteration(base, seed, round).unwrap().scores;
                for (benchmark, score) in crate::Benchmark::ALL.iter().zip(scores.columns) {
                    let score = crate::exact::fixed(score, 2);
                    let line = format!("{base},{seed},gra,{round},{benchmark},{score},1000,1\n");
                    csv.push_str(&line);
                }
            }
        }
    }
    let mut measured = Measured::default();
    measured.read_benchmarks("benchmarks.csv", csv.as_bytes()).unwrap();
    let findings = audit(&paper, &measured);
    let find = |id: &str| findings.iter().find(|f| f.claim.id == id).unwrap();
    for id in ["P23", "A17"] {
        let finding = find(id);
        let Measurement::Measured { value, .. } = &finding.here else {
            panic!("{id} was measured")
        };
        assert_eq!(Some(value), finding.recomputed.as_ref(), "{id}");
    }
    // Without scores of the seed sets nothing is known of gains.
    assert!(matches!(find("P13").here, Measurement::Missing(_)));
}

#[test]
fn broken_results_are_named() {
    let mut measured = Measured::default();
    let errors = [
        measured.read_stats("stats/stats.csv", b"a\n1\n").unwrap_err(),
        measured.read_compute("x.compute.csv", b"stage,samples\nrounds,many\n").unwrap_err(),
        measured.read_benchmarks("benchmarks.csv", b"base_model\nq\n").unwrap_err(),
    ];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"), @"
    stats/stats.csv: there is no column `group`
    x.compute.csv: line 2, column `samples`: invalid digit found in string
    benchmarks.csv: there is no column `data_source`
    ");
}

#[test]
fn csv_has_every_claim() {
    let mut csv = Vec::new();
    let findings = audit(&paper(), &Measured::default());
    write_csv(&findings, &mut csv).unwrap();
    assert_eq!(crate::lines::read(&csv).unwrap().len(), 120);
    assert!(findings.iter().any(|finding| finding.claim.kind == Kind::Consistency));
}

#[test]
fn markdown_is_escaped() {
    let markdown = markdown(&audit(&paper(), &Measured::default()), |_| true);
    // X14's words are tags.
    assert!(markdown.contains("&lt;boa>") && !markdown.contains("<boa>"));
}

/// Models that score nothing have no gain in per cent, and no division by it.
#[test]
fn scores_of_nothing_are_defined() {
    let mut csv = String::from(
        "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n",
    );
    for base in crate::BaseModel::ALL {
        for seed in crate::SeedDataset::ALL {
            for benchmark in crate::Benchmark::ALL {
                for source in ["vanilla,", "gra,5"] {
                    let line = format!("{base},{seed},{source},{benchmark},0,1,0\n");
                    csv.push_str(&line);
                }
            }
        }
    }
    let mut measured = Measured::default();
    measured.read_benchmarks("benchmarks.csv", csv.as_bytes()).unwrap();
    let findings = audit(&paper(), &measured);
    let here = |id: &str| &findings.iter().find(|f| f.claim.id == id).unwrap().here;
    assert!(matches!(here("A16"), Measurement::Missing(_)));
    let Measurement::Measured { value, .. } = here("P13") else { panic!("P13 was measured") };
    assert_eq!(*value, Value::Number(Ratio::ZERO));
}

/// A formula whose text changes without its code has no value, and the other way round.
#[test]
fn a_formula_is_found_by_its_whole_text() {
    let paper = paper();
    let printed = Scorebook::from(&paper);
    for claim in paper.claims.iter().filter(|claim| !claim.formula.is_empty()) {
        assert!(formula::value(claim, &printed, &paper).is_some(), "{}", claim.id);
        let changed = Claim { formula: format!("{} ", claim.formula), ..claim.clone() };
        assert_eq!(formula::value(&changed, &printed, &paper), None, "{}", claim.id);
    }
}

/// Claims about models have a value for printed scores, but for those whose rows are in no table.
#[test]
fn claims_about_models_are_decided_by_scores() {
    let paper = paper();
    let printed = Scorebook::from(&paper);
    let about: Vec<_> =
        paper.claims.iter().filter(|claim| formula::is_about_models(claim)).collect();
    assert_eq!(about.len(), 31);
    let unprinted: Vec<&str> = about
        .iter()
        .filter(|claim| formula::measured(claim, &printed).is_none())
        .map(|claim| claim.id.as_str())
        .collect();
    assert_eq!(unprinted, ["P27", "P28", "P30", "P31", "P32", "P58", "P59"]);
}

fn number(text: &str) -> Value {
    Value::Number(exact::parse(text).unwrap())
}

#[test]
fn verdicts_by_rule() {
    let several =
        |texts: [&str; 2]| Value::Several(texts.map(|text| exact::parse(text).unwrap()).to_vec());
    let cases = [
        ("0.59", number("0.5949"), "holds"),
        ("0.59", number("0.595"), "off by 0.005"),
        ("8.83", number("8.826666667"), "holds"),
        ("9", number("9.6667"), "off by 0.6667"),
        ("9", number("9.4"), "holds"),
        ("51", number("50"), "off by 1"),
        (">0", number("0"), "contradicted"),
        (">=0", number("0"), "holds"),
        ("<30", number("40"), "contradicted"),
        ("<=30", number("30"), "holds"),
        ("not 90", number("315"), "holds"),
        ("true", Value::Truth(false), "contradicted"),
        ("2.4758", Value::Real(2.475_836_8), "holds"),
        ("6.18 9", several(["6.18", "9.0033"]), "holds"),
        ("6.18 9", several(["6.18", "9.5"]), "contradicted"),
    ];
    for (printed, value, verdict) in cases {
        assert_eq!(judge(printed, &value).unwrap().to_string(), verdict, "{printed} {value}");
    }
    for (printed, value) in
        [("about 0", number("1")), ("14.58", several(["1", "2"])), ("", number("1"))]
    {
        assert_eq!(judge(printed, &value), None, "{printed}");
    }
}

#[test]
fn intervals_decide_measured_verdicts() {
    let cases = [
        (">0", "0.5", ("0.1", "0.9"), "holds"),
        (">0", "0.5", ("-0.1", "1.1"), "cannot tell"),
        (">0", "-0.5", ("-0.9", "-0.1"), "contradicted"),
        ("<=0.01", "0.5", ("0.2", "0.8"), "contradicted"),
        ("14.58", "12.5", ("5", "20"), "cannot tell"),
        ("14.58", "12.5", ("11", "14"), "off by 2.08"),
        ("14.58", "14.581", ("14.576", "14.584"), "holds"),
        ("not 90", "91", ("80", "99"), "cannot tell"),
        ("not 90", "95", ("94", "96"), "holds"),
    ];
    for (printed, value, (low, high), verdict) in cases {
        let interval = exact::parse(low).zip(exact::parse(high));
        let found = judge_measured(printed, &number(value), interval);
        assert_eq!(found.unwrap().to_string(), verdict, "{printed} {value} [{low}, {high}]");
    }
    assert_eq!(judge_measured(">0", &number("1"), None), Some(ClaimVerdict::Holds));
}

#[test]
fn shown_as_the_files_show_them() {
    assert_eq!(Value::Real(2.5).to_string(), "2.5");
    assert_eq!(Value::Real(0.670_47).to_string(), "0.6705");
    assert_eq!(Value::Several(vec![Ratio::ONE, Ratio::new(1, 3)]).to_string(), "1 0.3333");
}
