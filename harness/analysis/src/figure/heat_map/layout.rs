//! Where the parts of a heat map stand on its page.

use plotters::style::text_anchor::HPos;

use super::{ABOVE, BELOW, HeatMap, LEFT, LINE, MARGIN, SCALE, TEXT, length, number, pixels};
use crate::figure::canvas::{Letters, wrapped};

/// Its title, in pixels.
const TITLE: f64 = 18.0;
const LEAST_WIDTH: i32 = 560;
const PANELS_PER_ROW: usize = 3;

/// Where everything stands.
pub(super) struct Layout {
    pub(super) page: (i32, i32),
    /// Lines of title and subtitle.
    pub(super) head: Vec<(String, (i32, i32), Letters)>,
    /// The top left corner of each panel's squares.
    pub(super) panels: Vec<(i32, i32)>,
    /// The top of scale and legend.
    pub(super) foot: i32,
}

impl Layout {
    pub(super) fn of(map: &HeatMap) -> Self {
        let (width, height) = map.squares();
        let columns = map.panels.len().min(PANELS_PER_ROW);
        // Titles and the axis' name stand over and under the middle of the squares.
        let titles = map.panels.iter().map(|panel| &panel.title).chain([&map.x.name]);
        let room = titles.map(|title| pixels(title)).fold(width, i32::max);
        let step = (LEFT + room, ABOVE + height + BELOW);
        let page_width = (2 * MARGIN + step.0 * number(columns)).max(LEAST_WIDTH);

        let mut y = MARGIN + 8;
        let mut head = Vec::new();
        let title = Letters { bold: true, ..Letters::new(TITLE, HPos::Left) };
        for (text, letters) in
            [(&map.title, title), (&map.subtitle, Letters::new(TEXT, HPos::Left))]
        {
            for line in wrapped(text, letters.size, page_width - 2 * MARGIN) {
                head.push((line, (MARGIN, y), letters));
                y += LINE + 2;
            }
        }
        let corner = |place: usize| {
            let (row, column) = (place / PANELS_PER_ROW, place % PANELS_PER_ROW);
            let left = MARGIN + LEFT + (room - width) / 2;
            (left + number(column) * step.0, y + ABOVE + number(row) * step.1)
        };
        let panels = (0..map.panels.len()).map(corner).collect();
        let rows = map.panels.len().div_ceil(PANELS_PER_ROW);
        let foot = y + number(rows) * step.1 + 16;
        let notes = length(&map.wrapped_notes(page_width));
        let page_height = foot + 2 * LINE + SCALE.1 + (notes + 1) * LINE + MARGIN / 2;
        Self { page: (page_width, page_height), head, panels, foot }
    }
}
