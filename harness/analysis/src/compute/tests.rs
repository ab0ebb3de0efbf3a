use std::io;

use gra_synth::request::RequestId;

use super::*;
use crate::trial::tests::{accepted, id, rejected, trial};

fn call(subject: ItemId, stage: Stage, attempt: u8, tokens: (u32, u32), model: &str) -> CallFact {
    CallFact {
        id: RequestId { subject, stage, seat: 0, attempt },
        model: ModelName::new(model),
        prompt_tokens: tokens.0,
        reply_tokens: tokens.1,
        shared: false,
    }
}

/// One sample, one rejected candidate, one annotated seed item.
fn facts() -> TrialFacts {
    let mut calls = vec![
        call(ItemId::Seed(0), Stage::SeedDomain, 0, (100, 10), "small"),
        // The first try was not read.
        call(id(0), Stage::Keywords, 0, (100, 50), "small"),
        call(id(0), Stage::Keywords, 1, (100, 10), "small"),
        call(id(0), Stage::Instruction, 0, (200, 20), "small"),
        call(id(0), Stage::Response, 0, (50, 150), "small"),
        call(id(0), Stage::ResponseReview, 0, (400, 20), "large"),
        call(id(1), Stage::Keywords, 0, (100, 10), "small"),
    ];
    calls[5].shared = true;
    trial("gra", vec![accepted(0), rejected(1)], calls)
}

fn stated(models: &[(&str, u64)]) -> Parameters {
    Parameters::Stated(models.iter().map(|(name, n)| (ModelName::new(name), *n)).collect())
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn seconds() -> EngineSeconds {
    let stages = facts().calls.into_iter().map(|call| call.id.stage);
    stages.map(|stage| (stage, CostSplit { all: 2.0, own: 1.5 })).collect()
}

#[test]
fn operations_by_hand() {
    let parameters = stated(&[("small", 1_000), ("large", 3_000)]);
    let compute = Compute::of(&facts(), &parameters, 100_000, seconds());
    // Small: 550 prompt and 240 reply tokens in the rounds; large: 400 and 20.
    let rounds = compute.rounds();
    let flop = Flop { prompt: 2_000 * 550 + 6_000 * 400, reply: 2_000 * 240 + 6_000 * 20 };
    assert_eq!(rounds.all.flop, Some(flop));
    assert_eq!(rounds.own.flop, Some(Flop { prompt: 2_000 * 550, reply: 2_000 * 240 }));
    assert_eq!(compute.total().all.flop.unwrap().total(), flop.total() + 2_000 * 110);
    // The teacher writes what was read: 350 prompt and 180 reply tokens.
    let teacher = compute.teacher.spending;
    assert_eq!((teacher.calls, teacher.prompt_tokens, teacher.reply_tokens), (3, 350, 180));
    let ratio = 4_100_000.0 / (200_000.0 * 530.0);
    assert!((compute.ratio().unwrap() - ratio).abs() < 1e-12);
    assert_eq!(compute.total_seconds(), Some(CostSplit { all: 10.0, own: 7.5 }));
}

#[test]
fn one_size_for_all_makes_the_ratio_one_of_tokens() {
    let compute = Compute::of(&facts(), &Parameters::Assumed(7), 7, EngineSeconds::new());
    let ratio = (550.0 + 240.0 + 420.0) / 530.0;
    assert!((compute.ratio().unwrap() - ratio).abs() < 1e-12);
    assert_eq!(compute.total_seconds(), None);
}

#[test]
fn a_model_without_a_stated_size_leaves_its_stages_unknown() {
    let compute =
        Compute::of(&facts(), &stated(&[("small", 1_000)]), 100_000, EngineSeconds::new());
    assert!(compute.stages[&Stage::Keywords].all.flop.is_some());
    assert_eq!(compute.stages[&Stage::ResponseReview].all.flop, None);
    // The shared review was not this trial's.
    assert!(compute.total().own.flop.is_some());
    assert_eq!((compute.total().all.flop, compute.ratio()), (None, None));
    let shown = compute.terminal("a/b/seed-1");
    let shown: Vec<&str> = shown.split_whitespace().collect();
    assert!(shown.join(" ").contains(
        "No comparison with a teacher of 0.1 million parameters: the pool states no number of \
         parameters for large."
    ));
}

#[test]
fn nothing_accepted_is_nothing_to_compare() {
    let trial = trial("gra", vec![rejected(1)], facts().calls);
    let compute = Compute::of(&trial, &Parameters::Assumed(7), 7, EngineSeconds::new());
    assert_eq!(compute.ratio(), None);
    assert_eq!(compute.per_sample(compute.total().all.flop), None);
    assert!(compute.terminal("t").contains("No sample was accepted"));
}

#[test]
fn tables() {
    let parameters = stated(&[("small", 7_600_000_000), ("large", 8_000_000_000)]);
    let compute = Compute::of(&facts(), &parameters, TEACHER_PARAMETERS, seconds());
    let run = Some(PaidRun { wall_seconds: 12.25, joules: Some(345.5) });
    let compute = Compute { run, ..compute };
    insta::assert_snapshot!(compute.terminal("ablation/gra/seed-42"), @"
    ablation/gra/seed-42: 1 accepted sample

                            prompt   reply   prompt    reply  FLOP per   engine
    stage            calls  tokens  tokens     FLOP     FLOP    sample  seconds
    seed-domain          1     100      10  1.52e12  1.52e11   1.67e12      2.0
    keywords             3     300      70  4.56e12  1.06e12   5.62e12      2.0
    instruction          1     200      20  3.04e12  3.04e11   3.34e12      2.0
    response             1      50     150  7.60e11  2.28e12   3.04e12      2.0
    response-review      1     400      20  6.40e12  3.20e11   6.72e12      2.0
    total                7   1,050     270  1.63e13  4.12e12   2.04e13     10.0

                       own    own FLOP      own
    stage            calls  per sample  seconds
    seed-domain          1     1.67e12      1.5
    keywords             3     5.62e12      1.5
    instruction          1     3.34e12      1.5
    response             1     3.04e12      1.5
    response-review      0           0      1.5
    total                6     1.37e13      7.5

    With this pool the rounds take 1.87e13 FLOP per accepted sample, rejected
      candidates included. A teacher of 72.7 billion parameters that writes the same
      samples by Prompts 4, 5 and 7, each once and unreviewed, takes 7.71e13. The
      teacher takes 4.1 times as much, 0.6 orders of magnitude.

    FLOP: two operations per parameter and token, attention left out; prompt tokens
      as asked for, although an engine may evaluate a stage's role prompt once for a
      whole batch.
    The comparison leaves seed annotation out, which both need, and counts the
      teacher's tokens as the pool's models counted them.
    own: without calls that an earlier variant of the experiment had made, whose
      replies the store had.
    Engine seconds are those of the chunks that answered, on the machine that ran
      them.
    The run that paid for its own calls took 12.2 wall seconds and 346 J of the
      processors, all that ran on them included.
    ");
    insta::assert_snapshot!(compute.markdown("ablation/gra/seed-42"), @"
    ### ablation/gra/seed-42: 1 accepted sample

    | stage | calls | prompt tokens | reply tokens | prompt FLOP | reply FLOP | FLOP per sample | engine seconds | own calls | own FLOP per sample | own seconds |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | seed-domain | 1 | 100 | 10 | 1.52e12 | 1.52e11 | 1.67e12 | 2.0 | 1 | 1.67e12 | 1.5 |
    | keywords | 3 | 300 | 70 | 4.56e12 | 1.06e12 | 5.62e12 | 2.0 | 3 | 5.62e12 | 1.5 |
    | instruction | 1 | 200 | 20 | 3.04e12 | 3.04e11 | 3.34e12 | 2.0 | 1 | 3.34e12 | 1.5 |
    | response | 1 | 50 | 150 | 7.60e11 | 2.28e12 | 3.04e12 | 2.0 | 1 | 3.04e12 | 1.5 |
    | response-review | 1 | 400 | 20 | 6.40e12 | 3.20e11 | 6.72e12 | 2.0 | 0 | 0 | 1.5 |
    | total | 7 | 1,050 | 270 | 1.63e13 | 4.12e12 | 2.04e13 | 10.0 | 6 | 1.37e13 | 7.5 |

    With this pool the rounds take 1.87e13 FLOP per accepted sample, rejected candidates included. A teacher of 72.7 billion parameters that writes the same samples by Prompts 4, 5 and 7, each once and unreviewed, takes 7.71e13. The teacher takes 4.1 times as much, 0.6 orders of magnitude.

    - FLOP: two operations per parameter and token, attention left out; prompt tokens as asked for, although an engine may evaluate a stage's role prompt once for a whole batch.
    - The comparison leaves seed annotation out, which both need, and counts the teacher's tokens as the pool's models counted them.
    - own: without calls that an earlier variant of the experiment had made, whose replies the store had.
    - Engine seconds are those of the chunks that answered, on the machine that ran them.
    - The run that paid for its own calls took 12.2 wall seconds and 346 J of the processors, all that ran on them included.
    ");
    insta::assert_snapshot!(text(|bytes| compute.write_csv("ablation/gra/seed-42", bytes)), @"
    trial,stage,samples,calls,prompt_tokens,reply_tokens,prompt_flop,reply_flop,flop_per_sample,engine_s,own_calls,own_prompt_tokens,own_reply_tokens,own_prompt_flop,own_reply_flop,own_flop_per_sample,own_engine_s,own_wall_s,own_energy_j,times_teacher,assumed_parameters,teacher_parameters
    ablation/gra/seed-42,seed-domain,1,1,100,10,1520000000000,152000000000,1672000000000,2,1,100,10,1520000000000,152000000000,1672000000000,1.5,,,,,72700000000
    ablation/gra/seed-42,keywords,1,3,300,70,4560000000000,1064000000000,5624000000000,2,3,300,70,4560000000000,1064000000000,5624000000000,1.5,,,,,72700000000
    ablation/gra/seed-42,instruction,1,1,200,20,3040000000000,304000000000,3344000000000,2,1,200,20,3040000000000,304000000000,3344000000000,1.5,,,,,72700000000
    ablation/gra/seed-42,response,1,1,50,150,760000000000,2280000000000,3040000000000,2,1,50,150,760000000000,2280000000000,3040000000000,1.5,,,,,72700000000
    ablation/gra/seed-42,response-review,1,1,400,20,6400000000000,320000000000,6720000000000,2,0,0,0,0,0,0,1.5,,,,,72700000000
    ablation/gra/seed-42,total,1,7,1050,270,16280000000000,4120000000000,20400000000000,10,6,650,250,9880000000000,3800000000000,13680000000000,7.5,12.25,345.5,,,72700000000
    ablation/gra/seed-42,rounds,1,6,950,260,14760000000000,3968000000000,18728000000000,,5,550,240,8360000000000,3648000000000,12008000000000,,,,0.24302509667540423,,72700000000
    ablation/gra/seed-42,teacher,1,3,350,180,50890000000000,26172000000000,77062000000000,,3,350,180,50890000000000,26172000000000,77062000000000,,,,,,72700000000
    ");
}
