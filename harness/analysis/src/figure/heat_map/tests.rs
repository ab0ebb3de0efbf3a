use super::*;

fn map(columns: usize, rows: usize, panels: usize) -> HeatMap {
    let axis = |count: usize| Axis {
        name: "an axis with a name (points)".to_owned(),
        ticks: (0..count).map(|tick| tick.to_string()).collect(),
    };
    let square = Square { value: Some(0.4), text: "0.40".to_owned(), ..Square::default() };
    let panel = Panel { title: "a panel".to_owned(), rows: vec![vec![square; columns]; rows] };
    HeatMap {
        name: "map".to_owned(),
        title:
            "A title that is so long that it needs a second line even on a page that is as wide \
                as all our pages are"
                .to_owned(),
        subtitle: "n = 1".to_owned(),
        value: "share".to_owned(),
        range: (0.0, 1.0),
        x: axis(columns),
        y: axis(rows),
        panels: vec![panel; panels],
        framed: "framed".to_owned(),
        dotted: "dotted".to_owned(),
        notes: vec!["a note".to_owned()],
    }
}

#[test]
fn no_texts_meet_and_all_values_are_there() {
    for (columns, rows, panels) in [(1, 1, 1), (5, 5, 2), (9, 2, 4), (22, 30, 1)] {
        let figure = map(columns, rows, panels).figure().unwrap();
        assert_eq!(figure.collisions(), [""; 0], "{columns} by {rows}, {panels} panels");
        assert_eq!(figure.svg.matches("0.40").count(), columns * rows * panels);
    }
}

#[test]
fn nothing_makes_no_picture() {
    for empty in [map(0, 1, 1), map(1, 0, 1), map(1, 1, 0)] {
        assert!(empty.figure().is_err());
    }
}

#[test]
fn marks_and_blanks_are_drawn() {
    let mut marked = map(2, 2, 1);
    marked.panels[0].rows[0][0] = Square { framed: true, dotted: true, ..Square::default() };
    let (plain, marked) = (map(2, 2, 1).figure().unwrap().svg, marked.figure().unwrap().svg);
    let added = |what: &str| marked.matches(what).count() - plain.matches(what).count();
    // Once in the square, once in a legend that is not there without marks; and a blank square.
    assert_eq!((added("<polyline"), added("<circle"), added("#EEEEEE")), (2, 2, 3));
    assert_eq!((added("framed"), added("dotted")), (1, 1));
}
