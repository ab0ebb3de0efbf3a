//! SVG to PNG with the bundled font and nothing of the machine.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::{FigureError, font};

/// Pixels of the PNG per pixel of the page: 200 dots per inch at 17 cm.
const ZOOM: f32 = 2.0;

pub(super) fn png(svg: &str) -> Result<Vec<u8>, FigureError> {
    let failed = |error: &dyn std::fmt::Display| FigureError::Drawing(error.to_string());
    let options = Options { fontdb: Arc::clone(&font::DATABASE), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(&error))?;
    let size = tree.size().to_int_size().scale_by(ZOOM);
    let map = size.and_then(|size| Pixmap::new(size.width(), size.height()));
    let mut map = map.ok_or_else(|| failed(&"the page has no size"))?;
    resvg::render(&tree, Transform::from_scale(ZOOM, ZOOM), &mut map.as_mut());
    map.encode_png().map_err(|error| failed(&error))
}
