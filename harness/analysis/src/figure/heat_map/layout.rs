//! Where the panels of a heat map stand on its page.

use plotters::style::text_anchor::HPos;

use super::{HeatMap, SCALE};
use crate::figure::canvas::{Area, Letters, SMALLEST};
use crate::figure::page::{LINE, ROOM, TEXT, lines};

/// Above a panel's squares: its title, if it has one.
const ABOVE: [f64; 2] = [8.0, 26.0];
/// Below them: ticks, and the axis' name, if it has one.
const BELOW: [f64; 2] = [28.0, 46.0];
/// Left of them, besides ticks: the axis' name.
const NAME: f64 = 28.0;
/// Between panels.
const GAP: f64 = 14.0;
/// Most room for the names of rows.
const TICKS: f64 = 170.0;

/// Where everything stands.
pub(super) struct Layout {
    /// Of the whole drawing.
    pub(super) height: f64,
    columns: usize,
    /// Of a panel with all that is around it.
    panel: (f64, f64),
    /// Of its squares together.
    squares: (f64, f64),
    left: f64,
    above: f64,
}

impl Layout {
    pub(super) fn of(map: &HeatMap) -> Self {
        let letters = Letters::new(TEXT, HPos::Left);
        let widest = |texts: &mut dyn Iterator<Item = &String>| {
            texts.map(|text| letters.width(text)).fold(0.0, f64::max)
        };
        let two_lines = map.all_squares().any(|square| !square.below.is_empty());
        let text = widest(&mut map.all_squares().flat_map(|s| [&s.text, &s.below]));
        let text = text.max(widest(&mut map.x.ticks.iter()).min(70.0));
        let left = NAME + Self::tick_room(map);
        let count = lines(map.x.ticks.len());
        let most = (ROOM - left) / count;
        let mut width = (text + 14.0).max(40.0).min(most);
        // Titles and the axis' name stand over and under the middle of the squares.
        let bold = letters.bold();
        let titles = map.panels.iter().map(|panel| bold.width(&panel.title));
        let titles = titles.fold(0.0, f64::max);
        let named = titles.max(letters.width(&map.x.name)).min(ROOM - left);
        // Two columns of smaller texts are easier to take in than one of full size.
        let half = ((ROOM - GAP) / 2.0 - left) / count;
        let smallest = text * SMALLEST / TEXT + 4.0;
        if map.panels.len() > 1 && half < width && half >= smallest {
            width = half;
        }
        let inner = (width * count).max(named);
        // The last panel of a row needs no gap behind it.
        let fit = ((ROOM + GAP) / (left + inner + GAP) + 1e-9).floor().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few panels")]
        let columns = (fit as usize).min(map.panels.len());
        let size = (width, if two_lines { 38.0 } else { 30.0_f64.min(width.max(18.0)) });
        let squares = (width * count, size.1 * lines(map.y.ticks.len()));
        let above = ABOVE[usize::from(titles > 0.0)];
        let below = BELOW[usize::from(!map.x.name.is_empty())];
        let panel = (left + inner + GAP, above + squares.1 + below);
        let rows = lines(map.panels.len().div_ceil(columns));
        let foot = 3.0 * LINE + SCALE.1;
        Self { height: rows * panel.1 + foot, columns, panel, squares, left, above }
    }

    /// The squares of a panel of a drawing in this area.
    pub(super) fn squares(&self, area: Area, place: usize) -> Area {
        let (row, column) = (lines(place / self.columns), lines(place % self.columns));
        let inner = self.panel.0 - GAP - self.left;
        let x = area.x + column * self.panel.0 + self.left + (inner - self.squares.0) / 2.0;
        Area::new((x, area.y + row * self.panel.1 + self.above), self.squares)
    }

    /// Room for the names of rows.
    pub(super) fn tick_room(map: &HeatMap) -> f64 {
        let letters = Letters::new(TEXT, HPos::Left);
        let ticks = map.y.ticks.iter().map(|text| letters.width(text));
        ticks.fold(0.0, f64::max).min(TICKS)
    }
}
