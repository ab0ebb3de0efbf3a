//! The table of a full committee, a variant without review and one that drew nothing.

use gra_synth::candidate::Outcome;

use std::io;

use super::*;
use crate::trial::tests::{accepted, calls, every_outcome, failed, rejected, trial, written};

/// Accepted as it was written, without reviewers and scores.
fn unreviewed(number: u32) -> Candidate {
    let mut candidate = written(number);
    candidate.roles.reviewers.clear();
    candidate.roles.adjudicator = None;
    candidate.outcome = Some(Outcome::Accepted);
    candidate
}

fn trials() -> Vec<TrialFacts> {
    let mut full = every_outcome();
    full.extend((10..40).map(accepted));
    full.extend((40..60).map(rejected));
    let mut stricter: Vec<Candidate> = (10..25).map(accepted).collect();
    stricter.extend((25..60).map(rejected));
    let asked = |shared| {
        let mut asked = calls(Stage::Keywords, 60, shared);
        asked.extend(calls(Stage::ResponseReview, 180, false));
        asked
    };
    vec![
        trial("gra", full, asked(false)),
        trial("single, \"Llama\"\nreviewer", stricter, asked(true)),
        trial("no-reviewer", (5..60).map(unreviewed).collect(), asked(true)),
        trial("nothing", vec![], vec![]),
    ]
}

fn table() -> AblationTable {
    AblationTable::new(&trials(), "gra", 42).unwrap()
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn outcomes_partition_the_candidates() {
    for row in table().rows {
        let f = &row.funnel;
        let ends = [
            f.malformed,
            f.repeated_keywords,
            f.vetoed,
            f.rejected,
            f.adjudicated_out,
            f.voted_out,
            f.duplicates,
            f.surplus,
            f.accepted,
            f.undecided,
        ];
        assert_eq!(ends.iter().sum::<u64>(), f.candidates, "{}", row.variant);
    }
    let full = Funnel::of(&every_outcome());
    // 4, 5 and 6 were disputed, the adjudicator let 6 pass, and 3 to 8 were scored.
    assert_eq!((full.disputed, full.adjudicated_in, full.scores_reviewed.n), (3, 1, 6));
}

#[test]
fn unmet_targets_and_unequal_sizes_come_first() {
    let trials = |passed: [u32; 2]| -> Vec<TrialFacts> {
        let trial = |(name, n)| trial(name, (0..n).map(accepted).collect(), vec![]);
        ["gra", "free"].into_iter().zip(passed).map(trial).collect()
    };
    let headline = |passed: [u32; 2], targets: [Option<u64>; 2]| {
        let mut table = AblationTable::new(&trials(passed), "gra", 42).unwrap();
        for (row, target) in table.rows.iter_mut().zip(targets) {
            row.target = target;
        }
        let line = table.headline();
        for shown in [table.markdown(), table.terminal()] {
            // A terminal breaks it.
            let shown: Vec<&str> = shown.split_whitespace().collect();
            assert!(
                line.as_ref().is_none_or(|line| shown.join(" ").starts_with(line)),
                "{shown:?}"
            );
        }
        line.unwrap_or_default()
    };
    let unequal = "; their data sets are of unequal size.";
    assert_eq!(headline([24, 24], [Some(24), Some(24)]), "");
    assert_eq!(headline([24, 30], [None, None]), format!("Accepted: gra 24, free 30{unequal}"));
    assert_eq!(
        headline([16, 24], [Some(24), Some(24)]),
        format!("Accepted: gra 16, free 24; the target of 24 was not met by gra{unequal}")
    );
    assert_eq!(
        headline([16, 16], [Some(24), Some(24)]),
        "Accepted: gra 16, free 16; the target of 24 was not met by any variant."
    );
    // A variant over the seed set's own instructions has no target.
    assert_eq!(headline([24, 12], [Some(24), None]), format!("Accepted: gra 24, free 12{unequal}"));
}

#[test]
fn csv_has_every_number_and_quotes_names() {
    insta::assert_snapshot!(text(|bytes| table().write_csv(bytes)), @r#"
    variant,reference,seed,candidates,malformed,failed,repeated_keywords,vetoed,rejected,disputed,adjudicated_in,adjudicated_out,voted_out,duplicates,surplus,accepted,undecided,acceptance_rate,malformed_replies_keywords,malformed_replies_instruction,malformed_replies_instruction_review,malformed_replies_response,malformed_replies_response_review,malformed_replies_review_comment,malformed_replies_adjudication,malformed_replies_summary,failed_calls,reviewed,mean_mu_reviewed,mean_sigma_reviewed,accepted_reviewed,mean_mu_accepted,mean_sigma_accepted,calls,calls_shared,prompt_tokens,reply_tokens,early_duplicates,saved_after_early_duplicates,saved_after_veto,saved_after_bound,saved_comments,acceptance_pairs,acceptance_difference,acceptance_difference_low,acceptance_difference_high,acceptance_p_holm,passed_here_only,passed_in_reference_only,mu_pairs,mu_difference,mu_difference_low,mu_difference_high,mu_p_holm
    gra,gra,42,60,1,0,1,1,21,3,1,1,1,1,1,31,1,0.5333333333333333,1,0,0,0,3,0,0,0,0,56,8.005952380952381,0.6793463667838424,31,8.666666666666664,0.47140452079103146,240,0,96000,6000,0,0,0,0,0,,,,,,,,,,,,
    "single, ""Llama""
    reviewer",gra,42,50,0,0,0,0,35,0,0,0,0,0,0,15,0,0.3,0,0,0,0,0,0,0,0,0,50,7.5,0.7129689628867177,15,8.666666666666668,0.4714045207910315,240,60,96000,6000,0,0,0,0,0,50,-0.3,-0.45844036394246734,-0.14155963605753266,0.003931001794554171,0,15,50,-0.4999999999999997,-0.7640672732374413,-0.23593272676255816,0.003931001794554171
    no-reviewer,gra,42,55,0,0,0,0,0,0,0,0,0,0,0,55,0,1,0,0,0,0,0,0,0,0,0,0,,,0,,,240,60,96000,6000,0,0,0,0,0,54,0.4074074074074074,0.23264051325824642,0.5821743015565684,0.0013810513310221848,22,0,0,,,,
    nothing,gra,42,0,0,0,0,0,0,0,0,0,0,0,0,0,0,,0,0,0,0,0,0,0,0,0,0,,,0,,,0,0,0,0,0,0,0,0,0,0,,,,,0,0,0,,,,
    "#);
}

#[test]
fn csv_reads_back_with_as_many_fields_as_names() {
    let written = text(|bytes| table().write_csv(bytes));
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    let names = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.len() == names.len()));
    assert_eq!(&records[1][0], "single, \"Llama\"\nreviewer");
    assert!(!written.contains("NaN") && !written.contains("inf"));
}

#[test]
fn csv_does_not_depend_on_what_was_measured() {
    let mut measured = table();
    measured.rows[0].measured = Some(RunCost { paid_calls: 7, ..RunCost::default() });
    assert_eq!(text(|bytes| table().write_csv(bytes)), text(|bytes| measured.write_csv(bytes)));
}

/// The same trials under a name that a terminal can show, one of them measured.
fn shown() -> AblationTable {
    let mut trials = trials();
    trials[1].variant = "single|llama".to_owned();
    let mut table = AblationTable::new(&trials, "gra", 42).unwrap();
    table.rows[1].measured = Some(RunCost {
        paid_calls: 180,
        answered_from_store: 60,
        engine_seconds: 1234.56,
        wall_seconds: 1240.0,
    });
    table
}

#[test]
fn terminal_blocks_fit() {
    let shown = shown().terminal();
    assert!(shown.lines().all(|line| line.chars().count() <= 120), "{shown}");
    insta::assert_snapshot!(shown, @"
    Accepted: gra 31, single|llama 15, no-reviewer 55, nothing 0; their data sets
      are of unequal size.

    What became of the candidates
                           mal-          repeated                    adjud.  voted
    variant       drawn  formed  failed  keywords  vetoed  rejected     out    out
    gra              60       1       0         1       1        21       1      1
    single|llama     50       0       0         0       0        35       0      0
    no-reviewer      55       0       0         0       0         0       0      0
    nothing           0       0       0         0       0         0       0      0

                  dupli-  sur-                un-
    variant         cate  plus  accepted  decided  rate
    gra                1     1        31        1  0.53
    single|llama       0     0        15        0  0.30
    no-reviewer        0     0        55        0  1.00
    nothing            0     0         0        0     -

    Committee
                            adjud.        mu     sigma        mu     sigma
    variant       disputed      in  reviewed  reviewed  accepted  accepted
    gra                  3       1      8.01      0.68      8.67      0.47
    single|llama         0       0      7.50      0.71      8.67      0.47
    no-reviewer          0       0         -         -         -         -
    nothing              0       0         -         -         -         -

    Differences to the reference, gra
                      rate, difference            passed       passed in
    variant               to reference      p  here only  reference only
    gra                              -      -          -               -
    single|llama  -0.30 [-0.46, -0.14]  0.004          0              15
    no-reviewer   +0.41 [+0.23, +0.58]  0.001         22               0
    nothing                          -      -          0               0

                        mu, difference
    variant               to reference      p
    gra                              -      -
    single|llama  -0.50 [-0.76, -0.24]  0.004
    no-reviewer                      -      -
    nothing                          -      -

    Cost
                          calls  prompt   reply  calls  calls from   engine     wall
    variant       calls  shared  tokens  tokens   paid       store  seconds  seconds
    gra             240       0  96,000   6,000      -           -        -        -
    single|llama    240      60  96,000   6,000    180          60   1234.6   1240.0
    no-reviewer     240      60  96,000   6,000      -           -        -        -
    nothing           0       0       0       0      -           -        -        -

                  malformed
    variant         replies
    gra                   4
    single|llama          0
    no-reviewer           0
    nothing               0

    Malformed replies by stage, retried ones included
                                         instruction            response   review
    variant       keywords  instruction       review  response    review  comment
    gra                  1            0            0         0         3        0
    single|llama         0            0            0         0         0        0
    no-reviewer          0            0            0         0         0        0
    nothing              0            0            0         0         0        0

    variant       adjudication  summary
    gra                      0        0
    single|llama             0        0
    no-reviewer              0        0
    nothing                  0        0

    rate: accepted and surplus over drawn without failed; surplus passed and was not
      needed for the round's target.
    mu, sigma: means over the candidates that the whole committee scored, and over
      the samples.
    calls shared: an earlier variant of this ablation had made exactly these.
    Differences are to `gra`, over the candidates that both drew: 0 to 54 pairs for
      the rate, 0 to 50 scored by both for mu.
    passed here only, in reference only: of these pairs, the candidates that the two
      decide otherwise, each way.
    Brackets: 95% t-intervals that count every two candidates which share an example
      as dependent; none below 12 candidates, nor where nothing varies; not
      corrected for the number of variants. p: of no difference, Holm-corrected for
      all differences of the table. An interval that holds 0 or a large p means that
      so few pairs cannot tell the two apart.
    ");
}

#[test]
fn markdown_tables() {
    insta::assert_snapshot!(shown().markdown(), @r"
    Accepted: gra 31, single|llama 15, no-reviewer 55, nothing 0; their data sets are of unequal size.

    ### Decisions

    | variant | drawn | malformed | failed | repeated keywords | vetoed | rejected | adjud. out | voted out | duplicate | surplus | accepted | undecided | rate | rate, difference to reference | p | passed here only | passed in reference only | disputed | adjud. in |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | gra | 60 | 1 | 0 | 1 | 1 | 21 | 1 | 1 | 1 | 1 | 31 | 1 | 0.53 | - | - | - | - | 3 | 1 |
    | single\|llama | 50 | 0 | 0 | 0 | 0 | 35 | 0 | 0 | 0 | 0 | 15 | 0 | 0.30 | -0.30 [-0.46, -0.14] | 0.004 | 0 | 15 | 0 | 0 |
    | no-reviewer | 55 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 55 | 0 | 1.00 | +0.41 [+0.23, +0.58] | 0.001 | 22 | 0 | 0 | 0 |
    | nothing | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | - | - | - | 0 | 0 | 0 | 0 |

    ### Scores and cost

    | variant | mu reviewed | sigma reviewed | mu accepted | sigma accepted | mu, difference to reference | p | calls | calls shared | prompt tokens | reply tokens | calls paid | calls from store | engine seconds | wall seconds | malformed replies |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
    | gra | 8.01 | 0.68 | 8.67 | 0.47 | - | - | 240 | 0 | 96,000 | 6,000 | - | - | - | - | 4 (keywords 1, response-review 3) |
    | single\|llama | 7.50 | 0.71 | 8.67 | 0.47 | -0.50 [-0.76, -0.24] | 0.004 | 240 | 60 | 96,000 | 6,000 | 180 | 60 | 1234.6 | 1240.0 | 0 |
    | no-reviewer | - | - | - | - | - | - | 240 | 60 | 96,000 | 6,000 | - | - | - | - | 0 |
    | nothing | - | - | - | - | - | - | 0 | 0 | 0 | 0 | - | - | - | - | 0 |

    - rate: accepted and surplus over drawn without failed; surplus passed and was not needed for the round's target.
    - mu, sigma: means over the candidates that the whole committee scored, and over the samples.
    - calls shared: an earlier variant of this ablation had made exactly these.
    - Differences are to `gra`, over the candidates that both drew: 0 to 54 pairs for the rate, 0 to 50 scored by both for mu.
    - passed here only, in reference only: of these pairs, the candidates that the two decide otherwise, each way.
    - Brackets: 95% t-intervals that count every two candidates which share an example as dependent; none below 12 candidates, nor where nothing varies; not corrected for the number of variants. p: of no difference, Holm-corrected for all differences of the table. An interval that holds 0 or a large p means that so few pairs cannot tell the two apart.
    ");
}

#[test]
fn what_makes_no_table_is_named() {
    let error = |trials: &[TrialFacts], reference| {
        AblationTable::new(trials, reference, 42).unwrap_err().to_string()
    };
    let mut repeated = trials();
    repeated[1].variant = "gra".to_owned();
    let mut twice = trials();
    twice[0].candidates.push(rejected(3));
    let errors = [
        error(&trials()[2..], "gra"),
        error(&repeated, "gra"),
        error(&twice, "gra"),
        error(&trials(), "grb"),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
        the ablation has no variant `gra`; it has no-reviewer, nothing
        two trials of the ablation are called `gra`
        trial `gra` holds candidate r1-00003 twice
        the ablation has no variant `grb`; it has gra, single, "Llama"
        reviewer, no-reviewer, nothing
        "#);
}

fn compared(candidates: &[Candidate]) -> Compared {
    Compared::from_candidates(candidates).unwrap()
}

fn differences(reference: &[Candidate], variant: &[Candidate]) -> [(usize, Option<f64>); 2] {
    let comparison = compare(&compared(reference), &compared(variant));
    [comparison.acceptance, comparison.mu]
        .map(|difference| (difference.estimate.n, difference.estimate.value))
}

#[test]
fn only_candidates_that_both_drew_are_compared() {
    let reference: Vec<Candidate> = (0..10).map(accepted).collect();
    let variant: Vec<Candidate> = (6..20).map(rejected).collect();
    let [acceptance, mu] = differences(&reference, &variant);
    assert_eq!(acceptance, (4, Some(-1.0)));
    assert_eq!(mu.0, 4);
    assert!((mu.1.unwrap() - (7.0 - 26.0 / 3.0)).abs() < 1e-12);
}

#[test]
fn decisions_that_change_both_ways_are_counted_though_the_rate_stays() {
    let reference = [accepted(0), rejected(1), accepted(2), rejected(3), failed(4)];
    let variant = [rejected(0), accepted(1), accepted(2), rejected(3), accepted(4)];
    let found = compare(&compared(&reference), &compared(&variant));
    assert_eq!(found.acceptance.estimate.value, Some(0.0));
    assert_eq!((found.gained, found.lost), (1, 1));
    let none = compare(&compared(&reference), &compared(&reference[..1]));
    assert_eq!((none.gained, none.lost), (0, 0));
}

#[test]
fn what_is_undecided_or_half_reviewed_has_no_pair() {
    let full = every_outcome();
    assert_eq!(differences(&full, &full), [(9, Some(0.0)), (6, Some(0.0))]);
    let vetoed = full[2].clone();
    assert_eq!(differences(&[accepted(2)], &[vetoed]), [(1, Some(-1.0)), (0, None)]);
}

#[test]
fn acceptance_counts_what_is_decided() {
    // Of ten, one is undecided; accepted and surplus pass.
    let estimate = acceptance(&every_outcome());
    assert!((estimate.value.unwrap() - 2.0 / 9.0).abs() < 1e-12, "{estimate:?}");
    assert_eq!(acceptance(&[]).value, None);
}

#[test]
fn what_an_engine_failed_on_has_no_pair_and_no_rate() {
    assert_eq!(differences(&[accepted(2)], &[failed(2)]), [(0, None), (0, None)]);
    let candidates = [accepted(0), rejected(1), failed(2), failed(3)];
    assert_eq!(acceptance(&candidates).value, Some(0.5));
    let funnel = Funnel::of(&candidates);
    assert_eq!((funnel.acceptance_rate(), funnel.failed), (Some(0.5), 2));
    assert_eq!(funnel.failed_calls_total(), 2);
    assert_eq!(Funnel::of(&candidates[2..]).acceptance_rate(), None);
}

#[test]
fn surplus_has_passed() {
    let surplus = every_outcome()[7].clone();
    assert_eq!(differences(&[accepted(7)], &[surplus])[0], (1, Some(0.0)));
}
