use std::sync::Arc;

use super::*;
use crate::diversity::unit_vectors::by_hand::clustered;

const DIM: usize = 16;

fn embeddings(seed: u64, count: usize) -> Vec<Embedding> {
    let values = clustered(seed, count, DIM, 4);
    values.chunks(DIM).map(|row| Embedding::new(Arc::from(row))).collect()
}

/// Data sets of these sizes, measured at `matched`.
fn described(sizes: &[usize], matched: usize) -> (Diversity, MeasureTable) {
    let names: Vec<String> = (0..sizes.len()).map(|set| format!("set{set}")).collect();
    let set = |(place, size): (usize, &usize)| {
        let texts: Vec<String> = (0..*size).map(|n| format!("Write line number {n} now")).collect();
        EmbeddedSet {
            name: names[place].clone(),
            instructions: texts,
            embeddings: embeddings(place as u64 + 1, *size),
        }
    };
    let sets: Vec<EmbeddedSet> = sizes.iter().enumerate().map(set).collect();
    let diversity = Diversity::of(&sets, matched, 0, 42);
    let mut table = MeasureTable::new(names.clone());
    diversity.describe(&mut table);
    (diversity, table)
}

#[test]
fn every_measure_of_matched_sets() {
    let (_, table) = described(&[60, 40], 40);
    insta::assert_snapshot!(table.terminal(false), @"
    group      measure                         data set   value  95% interval    n
    diversity  samples compared                set0          40                 60
                                               set1          40                 40
               Vendi score                     set0       6.720                 40
                                               set1       5.835                 40
               distance to nearest, mean       set0      0.1408                 40
                                               set1      0.1075                 40
               entropy over 20 clusters, bits  set0       3.030                 40
                                               set1       3.016                 40
               precision against the           set1           0                 40
                 reference
               density against the reference   set1           0                 40
               recall against the reference    set1           0                 40
               coverage against the reference  set1           0                 40
               distinct-1                      set0      0.2200                200
                                               set1      0.2200                200
               distinct-2                      set0      0.5125                160
                                               set1      0.5125                160
               distinct-3                      set0      0.6750                120
                                               set1      0.6750                120
               self-BLEU, mean                 set0      0.2857                 40
                                               set1      0.2857                 40
    ");
}

#[test]
fn a_set_with_fewer_samples_takes_no_part_and_changes_nothing() {
    let (_, two) = described(&[60, 40], 40);
    let (diversity, three) = described(&[60, 40, 7], 40);
    for (with, without) in three.measures().iter().zip(two.measures()) {
        assert_eq!(with.cells[..2], without.cells[..], "{}", with.name);
        assert_eq!(with.cells[2], MeasureValue::Absent("too few samples"), "{}", with.name);
    }
    assert_eq!(diversity.nearest_distances(0).iter().flatten().count(), 40);
    assert_eq!(diversity.nearest_distances(2), vec![None; 7]);
}

#[test]
fn too_little_has_reasons_and_no_numbers() {
    let (_, table) = described(&[1, 1], 1);
    let nearest = table.measures().iter().find(|m| m.name.starts_with("distance"));
    assert!(nearest.is_none(), "one sample has no neighbour: {table:?}");
    let values = table.measures().iter().flat_map(|m| &m.cells).filter_map(MeasureValue::value);
    assert!(values.into_iter().all(f64::is_finite));
}
