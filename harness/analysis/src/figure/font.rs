//! The bundled font: how wide a text is, and SVG to PNG with it and nothing else.
//!
//! Open Sans, two weights (`fonts/README.md`). Widths are sums of the letters' advances; kerning, which
//! only brings letters closer, is left out, so that a text is never wider than is said here.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};
use ttf_parser::Face;

use super::FigureError;

/// What SVG files ask for. Text stays text, so that it can be searched, read aloud and copied; a viewer
/// without Open Sans takes its own sans-serif, and the room that is left around labels allows for that.
pub(super) const FAMILY: &str = "Open Sans, sans-serif";

const NAME: &str = "Open Sans";
const REGULAR: &[u8] = include_bytes!("../../fonts/OpenSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/OpenSans-Bold.ttf");

/// The weights of CSS and the font files (TrueType) that drawings ask for, for pages that bring them along.
#[must_use]
pub fn files() -> [(u32, &'static [u8]); 2] {
    [(400, REGULAR), (700, BOLD)]
}

/// Of a letter that the font lacks, in heights: those of other scripts are about square.
const FOREIGN: f64 = 1.0;

static FACES: LazyLock<[Option<Face<'static>>; 2]> =
    LazyLock::new(|| [REGULAR, BOLD].map(|bytes| Face::parse(bytes, 0).ok()));

/// Stands for a letter that cannot be drawn; the bundled font has it.
pub const MARK: char = '\u{fffd}';

/// Pixels of the PNG per pixel of the page: 200 dots per inch at 17 cm.
const ZOOM: f32 = 2.0;

/// What PNG files are drawn with.
#[derive(Clone, Debug)]
pub struct Fonts(Arc<Database>);

impl Fonts {
    /// The bundled font and nothing of the machine: the same bytes everywhere.
    #[must_use]
    pub fn bundled() -> Self {
        Self::with(&Database::new())
    }

    /// The bundled font, and others for the letters that it lacks.
    #[must_use]
    pub fn with(others: &Database) -> Self {
        let mut database = Database::new();
        for bytes in [REGULAR, BOLD] {
            database.load_font_data(bytes.to_vec());
        }
        // After the bundled ones: they are asked only for letters that those lack.
        for face in others.faces() {
            database.push_face_info(face.clone());
        }
        database.set_sans_serif_family(NAME);
        Self(Arc::new(database))
    }

    /// Whether none of them has a letter that would be seen.
    #[must_use]
    pub fn lack(&self, letter: char) -> bool {
        let has = |bytes: &[u8], index| {
            Face::parse(bytes, index).is_ok_and(|face| face.glyph_index(letter).is_some())
        };
        let mut faces = self.0.faces().map(|face| face.id);
        !letter.is_ascii()
            && !is_invisible(letter)
            && !faces.any(|id| self.0.with_face_data(id, has).unwrap_or(false))
    }

    /// An SVG as PNG. A letter that the fonts lack is replaced by a mark, wherever it stands in the document.
    pub(super) fn png(&self, svg: &str) -> Result<Vec<u8>, FigureError> {
        let failed = |error: &dyn Display| FigureError::Drawing(error.to_string());
        let options = Options { fontdb: Arc::clone(&self.0), ..Options::default() };
        let tree = Tree::from_str(&self.marked(svg), &options).map_err(|error| failed(&error))?;
        let size = tree.size().to_int_size().scale_by(ZOOM);
        let map = size.and_then(|size| Pixmap::new(size.width(), size.height()));
        let mut map = map.ok_or_else(|| failed(&"the page has no size"))?;
        resvg::render(&tree, Transform::from_scale(ZOOM, ZOOM), &mut map.as_mut());
        map.encode_png().map_err(|error| failed(&error))
    }

    /// A text with [`MARK`] for every letter that they lack.
    fn marked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        // Joiners and selectors would be marked as letters that are missing.
        let seen = text.chars().filter(|letter| letter.is_ascii() || !is_invisible(*letter));
        Cow::Owned(seen.map(|letter| if self.lack(letter) { MARK } else { letter }).collect())
    }
}

/// Joiners, variation selectors and the like, which only change the letters beside them.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}

/// A text with [`MARK`] for what no document may hold or what would turn the text around it: control
/// characters, bidirectional embeddings, overrides and isolates.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(is_harmful) {
        Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// How wide a text is, in pixels.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    // A letter of another font is given a square: too wide rather than too narrow.
    let letter = |letter: char| advance(letter, bold).unwrap_or(FOREIGN);
    text.chars().map(letter).sum::<f64>() * size
}

/// Of a letter, in heights of the font; `None` when the font lacks it.
fn advance(letter: char, bold: bool) -> Option<f64> {
    let face = FACES[usize::from(bold)].as_ref()?;
    let glyph = face.glyph_index(letter)?;
    Some(f64::from(face.glyph_hor_advance(glyph)?) / f64::from(face.units_per_em()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::page;

    #[test]
    fn both_weights_hold_what_figures_write() {
        for bold in [false, true] {
            for letter in
                "azAZ09 .,;:%()[]<>=+-/~_'\"&\u{3bc}\u{3c3}\u{3c4}\u{3b4}\u{2265}\u{2026}".chars()
            {
                assert!(advance(letter, bold).is_some(), "{letter:?}");
            }
            assert!(advance(MARK, bold).is_some());
        }
        assert_eq!(Fonts::bundled().0.len(), 2);
    }

    #[test]
    fn a_letter_that_no_font_has_is_marked() {
        let fonts = Fonts::bundled();
        for (text, expected) in [
            ("plain", "plain"),
            ("na\u{ef}ve \u{3bc} \u{416}", "na\u{ef}ve \u{3bc} \u{416}"),
            ("\u{901a}\u{4e49} Qwen", "\u{fffd}\u{fffd} Qwen"),
            ("\u{643}\u{62a}", "\u{fffd}\u{fffd}"),
            // A face with a joiner and a variation selector is seen as two letters.
            ("\u{1f468}\u{200d}\u{1f33e}\u{fe0f}!", "\u{fffd}\u{fffd}!"),
        ] {
            assert_eq!(fonts.marked(text), expected);
        }
    }

    #[test]
    fn what_would_break_a_document_or_turn_a_line_is_marked() {
        assert_eq!(harmless("a\u{0}b\u{1b}[2Jc\u{202e}d"), "a\u{fffd}b\u{fffd}[2Jc\u{fffd}d");
        assert_eq!(harmless("na\u{ef}ve \u{901a}"), "na\u{ef}ve \u{901a}");
    }

    #[test]
    fn widths_are_those_of_the_font() {
        // FreeType 2 (Pillow) gives digits 1171 of 2048 units; bold is wider.
        assert!((width("0123", 10.0, false) - 40.0 * 1171.0 / 2048.0).abs() < 1e-9);
        assert!(width("word", 10.0, true) > width("word", 10.0, false));
        assert!((width("\u{6f22}", 10.0, false) - 10.0).abs() < 1e-9);
    }

    fn figure() -> crate::figure::Figure {
        let caption = "n = 1.".to_owned();
        page("name", "A title of AVAs & \u{3c4}", caption, 40.0, |canvas, area| {
            canvas.fill(area, crate::figure::palette::ACCENT)
        })
        .unwrap()
    }

    #[test]
    fn a_picture_is_twice_its_page_and_has_the_same_bytes_twice() {
        let figure = figure();
        let fonts = Fonts::bundled();
        let bytes = fonts.png(&figure.svg).unwrap();
        let map = Pixmap::decode_png(&bytes).unwrap();
        let (width, height) = (f64::from(map.width()), f64::from(map.height()));
        assert!(
            (width - 2.0 * figure.size.0).abs() < 1.0 && (height - 2.0 * figure.size.1).abs() < 1.0
        );
        assert_eq!(fonts.png(&figure.svg).unwrap(), bytes);
        assert!(fonts.png("no picture").is_err());
    }

    #[test]
    fn letters_are_drawn_with_the_bundled_font() {
        // Without any font nothing dark would stand where the title is.
        let map = Pixmap::decode_png(&Fonts::bundled().png(&figure().svg).unwrap()).unwrap();
        let title = map.pixels().iter().take(usize::try_from(map.width()).unwrap() * 60);
        assert!(title.filter(|pixel| pixel.red() < 0x60).count() > 300);
    }
}
