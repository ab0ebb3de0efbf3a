//! Frames of a trial that ends in every way, as CSV to read and as Parquet to compare.

use polars::prelude::{ParquetReader, SerReader};

use super::*;
use crate::trial::tests::{every_outcome, failed, written};

fn csv_of(frame: &DataFrame) -> String {
    let mut bytes = Vec::new();
    write_csv(frame, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn parquet_of(frame: &DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_parquet(frame, &mut bytes).unwrap();
    bytes
}

/// A CSV read back, header included.
fn fields(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let texts = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    reader.records().map(|record| texts(record.unwrap())).collect()
}

#[test]
fn candidates_of_every_outcome() {
    insta::assert_snapshot!(csv_of(&candidates(&every_outcome()).unwrap()), @r#"
    id,round,wave,domain,generator,adjudicator,summariser,reviewers,examples,n_examples,keywords,domain_differs,instruction,response,summary,instruction_zeros,mu,sigma,decision,s_a,nearest,nearest_cosine,outcome,malformed_stage,malformed_reason,malformed_replies,failed_stage,failed_reason,failed_calls
    r1-00000,1,0,Math,llama,tulu,qwen,3,s00003 s00100,2,"prime; sum, of digits",false,"Find ""prime"" number 0.","Two lines,
    and a comma.",,0,,,,,,,malformed,response-review,not-six-scores,3,,,0
    r1-00001,1,0,Math,llama,tulu,qwen,3,s00003 s00101,2,"prime; sum, of digits",false,,,,,,,,,,,repeated-keywords,,,0,,,0
    r1-00002,1,0,Math,llama,tulu,qwen,3,s00004 s00102,2,"prime; sum, of digits",true,"Find ""prime"" number 2.",,,1,,,,,,,vetoed,,,0,,,0
    r1-00003,1,0,Math,llama,tulu,qwen,3,s00004 s00103,2,"prime; sum, of digits",false,"Find ""prime"" number 3.","Two lines,
    and a comma.",,0,7,0.816496580927726,reject,,,,rejected,,,0,,,0
    r1-00004,1,0,Math,llama,tulu,qwen,3,s00005 s00104,2,"prime; sum, of digits",false,"Find ""prime"" number 4.","Two lines,
    and a comma.",,0,8.333333333333334,2.3570226039551585,dispute,7,,,adjudicated-out,,,0,,,0
    r1-00005,1,0,Math,llama,tulu,qwen,3,s00005 s00105,2,"prime; sum, of digits",false,"Find ""prime"" number 5.","Two lines,
    and a comma.",,0,8,1.569382987980615,dispute,,,,voted-out,,,0,,,0
    r1-00006,1,0,Math,llama,tulu,qwen,3,s00006 s00106,2,"prime; sum, of digits",false,"Find ""prime"" number 6.","Two lines,
    and a comma.",,0,8.333333333333334,2.3570226039551585,dispute,9,s00003,0.9375,duplicate,,,0,,,0
    r1-00007,1,0,Math,llama,tulu,qwen,3,s00006 s00107,2,"prime; sum, of digits",false,"Find ""prime"" number 7.","Two lines,
    and a comma.",,0,8,0,accept,,r1-00008,0.5,surplus,,,0,,,0
    r1-00008,1,0,Math,llama,tulu,qwen,3,s00007 s00108,2,"prime; sum, of digits",false,"Find ""prime"" number 8.","Two lines,
    and a comma.",Finds a prime.,0,8.666666666666666,0.4714045207910316,accept,,s00011,0.25,accepted,,,1,,,0
    r1-00009,1,0,Math,llama,tulu,qwen,3,s00007 s00109,2,,,,,,,,,,,,,,,,0,,,0
    "#);
}

#[test]
fn a_failed_candidate_names_stage_and_reason() {
    let csv = csv_of(&candidates(&[failed(0)]).unwrap());
    let [names, values] = fields(&csv).try_into().unwrap();
    let value = |name: &str| &*values[names.iter().position(|known| known == name).unwrap()];
    assert_eq!((value("outcome"), value("malformed_stage")), ("failed", ""));
    assert_eq!((value("failed_stage"), value("failed_reason")), ("response", "status-500"));
    assert_eq!((value("failed_calls"), value("malformed_replies")), ("1", "0"));
}

#[test]
fn reviews_of_both_stages_and_the_adjudicator() {
    insta::assert_snapshot!(csv_of(&reviews(&every_outcome()[2..5]).unwrap()), @"
        candidate,stage,seat,reviewer,reasonable,complete,clear,correctness,clarity,completeness,relevance,coherence,ethicality,mean,comment
        r1-00002,instruction-review,0,qwen,true,true,true,,,,,,,,
        r1-00002,instruction-review,1,internlm,true,false,true,,,,,,,,
        r1-00002,instruction-review,2,mistral,true,true,true,,,,,,,,
        r1-00003,instruction-review,0,qwen,true,true,true,,,,,,,,
        r1-00003,instruction-review,1,internlm,true,true,true,,,,,,,,
        r1-00003,instruction-review,2,mistral,true,true,true,,,,,,,,
        r1-00003,response-review,0,qwen,,,,7,7,7,7,7,7,7,seat 0
        r1-00003,response-review,1,internlm,,,,8,8,8,8,8,8,8,seat 1
        r1-00003,response-review,2,mistral,,,,6,6,6,6,6,6,6,seat 2
        r1-00004,instruction-review,0,qwen,true,true,true,,,,,,,,
        r1-00004,instruction-review,1,internlm,true,true,true,,,,,,,,
        r1-00004,instruction-review,2,mistral,true,true,true,,,,,,,,
        r1-00004,response-review,0,qwen,,,,10,10,10,10,10,10,10,seat 0
        r1-00004,response-review,1,internlm,,,,10,10,10,10,10,10,10,seat 1
        r1-00004,response-review,2,mistral,,,,5,5,5,5,5,5,5,seat 2
        r1-00004,adjudication,0,tulu,,,,7,7,7,7,7,7,7,seat 0
        ");
}

#[test]
fn texts_survive_csv() {
    let mut candidate = written(0);
    let text = "a,b \"c\"\r\n\u{4e16}\u{754c}\n";
    candidate.instruction = Some(text.to_owned());
    let rows = fields(&csv_of(&candidates(&[candidate]).unwrap()));
    let column = rows[0].iter().position(|name| name == "instruction").unwrap();
    assert_eq!(rows[1][column], text);
}

#[test]
fn what_does_not_exist_is_null() {
    let mut candidate = written(0);
    candidate.response = Some(String::new());
    candidate.nearest =
        Some(gra_synth::candidate::Neighbour { id: candidate.id, cosine: f64::NAN });
    let frame = candidates(&[candidate]).unwrap();
    for name in ["response", "nearest_cosine", "mu", "s_a", "outcome", "instruction_zeros"] {
        assert_eq!(frame.column(name).unwrap().null_count(), 1, "{name}");
    }
}

#[test]
fn equal_frames_give_equal_parquet_and_read_back() {
    for frame in [candidates(&every_outcome()).unwrap(), reviews(&every_outcome()).unwrap()] {
        let bytes = parquet_of(&frame);
        assert_eq!(bytes, parquet_of(&frame));
        let read = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        assert!(read.equals_missing(&frame));
    }
}

#[test]
fn texts_are_not_declared_as_views() {
    let frame = candidates(&every_outcome()).unwrap();
    let mut bytes = std::io::Cursor::new(parquet_of(&frame));
    let metadata = polars_parquet::read::read_metadata(&mut bytes).unwrap();
    let declared = metadata.key_value_metadata().as_deref().unwrap_or_default();
    let key = |level| schema_to_metadata_key(&frame.schema().to_arrow(level));
    assert_eq!(declared, [key(CompatLevel::oldest())]);
    assert_ne!(declared, [key(CompatLevel::newest())]);
}

#[test]
fn no_candidates_keep_their_columns() {
    let empty = candidates(&[]).unwrap();
    assert_eq!((empty.height(), empty.width()), (0, 29));
    let bytes = parquet_of(&empty);
    let read = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
    assert_eq!(read.schema(), empty.schema());
    assert_eq!(reviews(&[]).unwrap().height(), 0);
}
