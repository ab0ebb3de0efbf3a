//! SVG to PNG with the fonts that it is given.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::FigureError;
use super::font::Fonts;

/// Pixels of the PNG per pixel of the page: 200 dots per inch at 17 cm.
const ZOOM: f32 = 2.0;

/// A letter that the fonts lack is replaced by a mark, wherever it stands in the document.
pub(super) fn png(svg: &str, fonts: &Fonts) -> Result<Vec<u8>, FigureError> {
    let failed = |error: &dyn std::fmt::Display| FigureError::Drawing(error.to_string());
    let options = Options { fontdb: Arc::clone(&fonts.0), ..Options::default() };
    let tree = Tree::from_str(&fonts.marked(svg), &options).map_err(|error| failed(&error))?;
    let size = tree.size().to_int_size().scale_by(ZOOM);
    let map = size.and_then(|size| Pixmap::new(size.width(), size.height()));
    let mut map = map.ok_or_else(|| failed(&"the page has no size"))?;
    resvg::render(&tree, Transform::from_scale(ZOOM, ZOOM), &mut map.as_mut());
    map.encode_png().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::page::{Words, page};

    fn figure() -> crate::figure::Figure {
        let words = ["name", "A title of AVAs & \u{3c4}", "n = 1."].map(str::to_owned);
        let [name, title, caption] = words;
        page(Words { name, title, caption }, 40.0, |canvas, area| {
            canvas.fill(area, crate::figure::palette::ACCENT)
        })
        .unwrap()
    }

    #[test]
    fn a_picture_is_twice_its_page_and_has_the_same_bytes_twice() {
        let figure = figure();
        let fonts = Fonts::bundled();
        let bytes = png(&figure.svg, &fonts).unwrap();
        let map = Pixmap::decode_png(&bytes).unwrap();
        let (width, height) = (f64::from(map.width()), f64::from(map.height()));
        assert!(
            (width - 2.0 * figure.size.0).abs() < 1.0 && (height - 2.0 * figure.size.1).abs() < 1.0
        );
        assert_eq!(png(&figure.svg, &fonts).unwrap(), bytes);
        assert!(png("no picture", &fonts).is_err());
    }

    #[test]
    fn letters_are_drawn_with_the_bundled_font() {
        // Without any font nothing dark would stand where the title is.
        let map = Pixmap::decode_png(&png(&figure().svg, &Fonts::bundled()).unwrap()).unwrap();
        let title = map.pixels().iter().take(usize::try_from(map.width()).unwrap() * 60);
        assert!(title.filter(|pixel| pixel.red() < 0x60).count() > 300);
    }
}
