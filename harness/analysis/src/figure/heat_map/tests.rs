use super::*;

fn map(columns: usize, rows: usize, panels: usize) -> HeatMap {
    let axis = |count: usize| Axis {
        name: "an axis with a name (points)".to_owned(),
        ticks: (0..count).map(|tick| tick.to_string()).collect(),
    };
    let square = Square { value: Some(0.4), text: "0.40".to_owned(), ..Square::default() };
    let panel = Panel { title: "a panel".to_owned(), rows: vec![vec![square; columns]; rows] };
    HeatMap {
        title: "A title that is long enough to need a second line on a narrow page".to_owned(),
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

/// Every number of an attribute.
fn numbers(svg: &str, attribute: &str) -> Vec<i32> {
    let before = format!(" {attribute}=\"");
    let values = svg.split(&before).skip(1);
    values.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn everything_stays_on_the_page() {
    for (columns, rows, panels) in [(1, 1, 1), (5, 5, 2), (9, 2, 4), (40, 30, 1)] {
        let map = map(columns, rows, panels);
        let (width, height) = Layout::of(&map).page;
        let svg = map.svg().unwrap();
        for (attribute, most) in [("x", width), ("y", height)] {
            let places = numbers(&svg, attribute);
            assert!(places.iter().all(|place| (0..=most).contains(place)), "{attribute}");
        }
        assert_eq!(svg.matches("0.40").count(), columns * rows * panels);
    }
}

#[test]
fn nothing_makes_no_picture() {
    for empty in [map(0, 1, 1), map(1, 0, 1), map(1, 1, 0)] {
        assert!(empty.svg().is_err());
    }
}

#[test]
fn marks_and_blanks_are_drawn() {
    let mut marked = map(2, 2, 1);
    marked.panels[0].rows[0][0] = Square { framed: true, dotted: true, ..Square::default() };
    let (plain, marked) = (map(2, 2, 1).svg().unwrap(), marked.svg().unwrap());
    let added = |what: &str| marked.matches(what).count() - plain.matches(what).count();
    // Once in the square, once in a legend that is not there without marks; and a blank square.
    assert_eq!((added("<polyline"), added("<circle"), added("#EEEEEE")), (2, 2, 3));
    assert_eq!((added("framed"), added("dotted")), (1, 1));
}
