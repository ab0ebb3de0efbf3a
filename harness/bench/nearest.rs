//! The known word that a mistaken one was probably meant to be.

/// How alike two words must be, from 0 to 1, for one to be taken for the other.
const ALIKE: f64 = 0.6;

/// The likest of the known words, if any is like it at all (normalised Damerau-Levenshtein distance).
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| {
        strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase())
    };
    let alike = known.into_iter().map(|known| (likeness(known), known));
    let best = alike.filter(|(likeness, _)| *likeness >= ALIKE);
    best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, known)| known)
}

/// What to type in place of a word that is not known: the likest of the known ones, or else all of them.
pub(crate) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", known.join(", ")),
    }
}
