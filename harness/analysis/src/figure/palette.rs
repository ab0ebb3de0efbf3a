//! Colours. The scale runs from light to dark, so that it reads without colour as well; it is `YlGnBu`
//! of Brewer's colour schemes (Harrower and Brewer 2003, colorbrewer2.org), marked there as safe for
//! colour-blind readers.

use plotters::style::RGBColor;

pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Of what stands back: ticks, borders.
pub(super) const GREY: RGBColor = RGBColor(0x77, 0x77, 0x77);
/// Of captions and ticks: 7:1 on paper.
pub(super) const QUIET: RGBColor = RGBColor(0x59, 0x59, 0x59);
/// Of lines that guide the eye.
pub(super) const LINE: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Behind what has no data.
pub(super) const FAINT: RGBColor = RGBColor(0xf4, 0xf4, 0xf4);
/// Of squares without a value.
pub(super) const BLANK: RGBColor = RGBColor(0xee, 0xee, 0xee);
/// Stands out on every shade: the vermilion of Okabe and Ito (2008).
pub(super) const ACCENT: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// Kinds that must be told apart, in the order in which they are used: colours of Okabe and Ito (2008)
/// that are dark enough for small dots on paper, and wine and olive of Tol's muted scheme (2021).
pub(super) const KINDS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x22, 0x22, 0x22),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0x99, 0x99, 0x33),
];

/// Colours of data sets, sources and variants by their names, the same in every figure: GRA's is one, the seed set's
/// another, the large teacher's a third; others take what is left in their order.
pub(super) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<RGBColor> {
    let names: Vec<&str> = names.into_iter().collect();
    let fixed = |name: &str| match name.to_lowercase().as_str() {
        "gra" => Some(0),
        other if other.contains("-gra-seed-") => Some(0),
        "distill-large" | "72b" => Some(1),
        "vanilla" | "seed" | "seeds" => Some(2),
        _ => None,
    };
    // A name of the paper's keeps its colour also where nothing else needs it.
    let mut others = [5, 3, 4, 6, 7, 1, 2, 0]
        .into_iter()
        .filter(|&kind| kind > 2 || names.iter().all(|name| fixed(name) != Some(kind)))
        .cycle();
    names.iter().map(|name| KINDS[fixed(name).or_else(|| others.next()).unwrap_or(4)]).collect()
}

/// A colour with so much paper in it, from 0 (the colour) to 1 (paper).
pub(super) fn pale(color: RGBColor, paper: f64) -> RGBColor {
    mixed(color, PAPER, paper)
}

fn mixed(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |a: u8, b: u8| {
        let value = f64::from(a) + share.clamp(0.0, 1.0) * (f64::from(b) - f64::from(a));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 255"
        )]
        let value = value.round() as u8;
        value
    };
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

const SCALE: [RGBColor; 9] = [
    RGBColor(0xff, 0xff, 0xd9),
    RGBColor(0xed, 0xf8, 0xb1),
    RGBColor(0xc7, 0xe9, 0xb4),
    RGBColor(0x7f, 0xcd, 0xbb),
    RGBColor(0x41, 0xb6, 0xc4),
    RGBColor(0x1d, 0x91, 0xc0),
    RGBColor(0x22, 0x5e, 0xa8),
    RGBColor(0x25, 0x34, 0x94),
    RGBColor(0x08, 0x1d, 0x58),
];

/// The shade at a place of the scale; places outside [0, 1] count as its ends.
pub(super) fn shade(place: f64) -> RGBColor {
    along(&SCALE, place)
}

fn along(colors: &[RGBColor], place: f64) -> RGBColor {
    let steps = colors.len() - 1;
    let place = place.clamp(0.0, 1.0) * steps as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 8")]
    let below = (place.floor() as usize).min(steps - 1);
    mixed(colors[below], colors[below + 1], place - below as f64)
}

/// Below 0, around it and above: `RdBu` of the same schemes.
const DIVERGING: [RGBColor; 5] = [
    RGBColor(0xca, 0x00, 0x20),
    RGBColor(0xf4, 0xa5, 0x82),
    RGBColor(0xf7, 0xf7, 0xf7),
    RGBColor(0x92, 0xc5, 0xde),
    RGBColor(0x05, 0x71, 0xb0),
];

/// The shade at a place of a scale whose middle is 0; places outside [0, 1] count as its ends.
pub(super) fn diverging(place: f64) -> RGBColor {
    along(&DIVERGING, place)
}

/// The colour of text on a ground: whichever of ink and paper has the larger contrast (WCAG 2.1,
/// relative luminance).
pub(super) fn on(ground: RGBColor) -> RGBColor {
    let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
    // Contrast of WCAG 2.1: ratio of luminances, each raised by 0.05 for stray light.
    let ground = luminance(ground);
    if contrast(ground, luminance(INK)) >= contrast(ground, luminance(PAPER)) { INK } else { PAPER }
}

fn luminance(color: RGBColor) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(color.0) + 0.7152 * linear(color.1) + 0.0722 * linear(color.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_darkens_all_the_way_and_its_text_can_be_read() {
        let shades: Vec<RGBColor> = (0..=100).map(|at| shade(f64::from(at) / 100.0)).collect();
        for pair in shades.windows(2) {
            assert!(luminance(pair[0]) >= luminance(pair[1]), "{pair:?}");
        }
        for ground in shades {
            let (a, b) = (luminance(ground), luminance(on(ground)));
            // 4.5 is WCAG's level AA; no ink has more than 4.4 on the shades half way.
            assert!((a.max(b) + 0.05) / (a.min(b) + 0.05) > 3.9, "{ground:?}");
        }
    }

    #[test]
    fn a_signed_scale_is_lightest_at_zero() {
        let shades = [0.0, 0.25, 0.5, 0.75, 1.0].map(|place| luminance(diverging(place)));
        assert!(shades[..3].is_sorted() && shades[2..].iter().rev().is_sorted(), "{shades:?}");
    }

    #[test]
    fn names_of_the_paper_have_one_colour_and_others_none_of_theirs() {
        let [gra, distilled, seeds] = [KINDS[0], KINDS[1], KINDS[2]];
        assert_eq!(of_names(["seed", "GRA", "32B", "72B"]), [seeds, gra, KINDS[5], distilled]);
        assert_eq!(of_names(["vanilla", "ablation-gra-seed-42"]), [seeds, gra]);
        let eight = ["a", "gra", "b", "vanilla", "c", "distill-large", "d", "e"];
        let of_ablation = ["gra", "a", "b", "c", "d", "e", "f"];
        for names in [&eight[..], &of_ablation] {
            let colors = of_names(names.iter().copied());
            assert!((0..colors.len()).all(|at| !colors[..at].contains(&colors[at])), "{colors:?}");
        }
    }

    #[test]
    fn the_ends_hold_what_is_beyond() {
        assert_eq!(shade(-1.0), SCALE[0]);
        assert_eq!(shade(2.0), SCALE[8]);
        assert_eq!(shade(0.5), SCALE[4]);
    }
}
