use super::*;

fn table(number: TableNumber, measured: &Benchmarks) -> Table {
    Table::from_reference(number, &Reference::embedded().unwrap(), measured)
}

/// One row of Table 1 in two trainings, another on one benchmark alone.
fn some_measured() -> Benchmarks {
    let mut csv = String::from(
        "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n",
    );
    for training in [0, 1] {
        for benchmark in crate::Benchmark::ALL {
            let score = 60 + training;
            let line = format!("qwen2.5-7b,alpaca,gra,5,{benchmark},{score}.5,200,{training}\n");
            csv.push_str(&line);
        }
    }
    csv.push_str("qwen2.5-7b,alpaca,vanilla,,gsm8k,59.9,1319,0\n");
    Benchmarks::read(csv.as_bytes()).unwrap()
}

#[test]
fn table_1_has_footnotes_where_its_numbers_disagree() {
    insta::assert_snapshot!(table(TableNumber::Main, &Benchmarks::default()).terminal());
}

#[test]
fn table_2_has_footnotes_where_table_1_says_otherwise() {
    insta::assert_snapshot!(table(TableNumber::SeedData, &Benchmarks::default()).terminal());
}

#[test]
fn table_3_as_markdown() {
    insta::assert_snapshot!(table(TableNumber::Iterations, &Benchmarks::default()).markdown());
}

#[test]
fn what_was_measured_stands_below_the_papers_row() {
    let mut table = table(TableNumber::Main, &some_measured());
    assert_eq!(table.notes.len(), 14);
    table.blocks.truncate(1);
    table.notes.truncate(3);
    insta::assert_snapshot!(table.terminal());
}

#[test]
fn latex_and_html() {
    let mut table = table(TableNumber::Main, &some_measured());
    table.blocks.truncate(1);
    table.notes.truncate(3);
    insta::assert_snapshot!(table.latex());
    insta::assert_snapshot!(table.html());
}

#[test]
fn csv_has_every_cell() {
    let tables = TableNumber::ALL.map(|number| table(number, &some_measured()));
    let mut csv = Vec::new();
    Table::write_csv(&tables, &mut csv).unwrap();
    let lines = crate::lines::read(&csv).unwrap();
    assert_eq!(lines.len(), 24 * 11 + 24 + 30 * 11);
    let with = |column: &str| lines.iter().filter(|line| line.optional(column).is_some()).count();
    // Eleven cells and one in Table 1, an average in Table 2, the same eleven in Table 3.
    assert_eq!((with("here"), with("spread"), with("recomputed")), (11 + 1 + 1 + 11, 23, 54));
    let csv = String::from_utf8(csv).unwrap();
    let line =
        csv.lines().find(|line| line.contains("table1/qwen2.5-7b/alpaca/gra/gsm8k")).unwrap();
    insta::assert_snapshot!(line, @r#"1,table1/qwen2.5-7b/alpaca/gra/gsm8k,"Qwen2.5-7B, Alpaca",GRA,GSM8K,70.28,,true,61,54.09374595716976,67.49165686253038,200,2,0.7071067811865476,-9.28,,,,,,"#);
}

/// A block whose printed best is another than the recomputed one says so.
#[test]
fn a_best_that_the_columns_deny_has_a_footnote() {
    let paper = Reference::embedded().unwrap();
    let mut table = table(TableNumber::Main, &Benchmarks::default());
    table.blocks.truncate(1);
    table.notes.clear();
    table.blocks[0].rows[0].cells[10].recomputed = Some(Ratio::from(99));
    footnotes::add(&mut table, &paper);
    let note = table.blocks[0].rows[1].cells[10].note.unwrap();
    let said = "By the means of the columns the best of the block is vanilla seed data.";
    assert!(table.notes[note - 1].ends_with(said), "{}", table.notes[note - 1]);
}

#[test]
fn marks_are_the_largest_of_their_blocks() {
    for number in TableNumber::ALL {
        let table = table(number, &Benchmarks::default());
        for block in &table.blocks {
            for column in 0..table.headings.len() {
                let cells = || block.rows.iter().map(|row| &row.cells[column]);
                let best = cells().map(|cell| cell.printed).max().unwrap();
                assert!(cells().all(|cell| cell.is_best == (cell.printed == best)));
            }
        }
    }
}

/// What is none of the paper's stands below its blocks, and is compared with GRA of its own block.
#[test]
fn other_models_stand_below_the_papers() {
    let header =
        "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed,protocol\n";
    let lines = "smollm2-135m,starter,vanilla,,gsm8k,40,10,0,opencompass-smoke\n\
                 smollm2-135m,starter,gra,1,gsm8k,50,10,0,opencompass-smoke\n\
                 smollm2-135m,starter,gra,1,gsm8k,60,10,1,opencompass-smoke\n";
    let measured = Benchmarks::read(format!("{header}{lines}").as_bytes()).unwrap();
    let text = table(TableNumber::Main, &measured).terminal();
    let block = text.find("smollm2-135m, starter").unwrap();
    let lines: Vec<&str> = text[block..]
        .lines()
        .take(16)
        .map(|line| line.get(..29).unwrap_or(line).trim_end())
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    smollm2-135m, starter, openco
      GRA, round 1
        here
        95% from
        95% to
        items
        trainings
        spread
      vanilla seed data
        here
        95% from
        95% to
        items
        less GRA, round 1
        95% from
        95% to
    ");
    // A protocol makes no model of the paper out of one that is none, and the other way round.
    let papers = "qwen2.5-7b,alpaca,vanilla,,gsm8k,40,10,0,lm-eval\n\
                  qwen2.5-7b,alpaca,vanilla,,gsm8k,41,10,0,opencompass\n";
    let measured = Benchmarks::read(format!("{header}{papers}").as_bytes()).unwrap();
    assert_eq!((measured.models().count(), measured.others().count()), (1, 1));
}
