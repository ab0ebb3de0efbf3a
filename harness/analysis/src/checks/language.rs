//! Whether a text is in English, and which languages texts are in.

use std::collections::BTreeMap;

use super::prose::{Blocks, is_running};

/// Letters below which trigrams say little.
const LEAST_LETTERS: usize = 40;
/// Letters of another script that are no quoted word or formula any more.
const LEAST_FOREIGN_LETTERS: usize = 10;

/// Frequent words that tell English prose.
const ENGLISH: [&str; 24] = [
    "the", "of", "and", "to", "a", "in", "is", "that", "for", "it", "with", "as", "was", "on",
    "are", "by", "this", "be", "you", "from", "or", "an", "your", "i",
];

/// Frequent words of other languages in Latin script that are no English words. Lists of names have no such words, and
/// trigrams take them for any language.
const FOREIGN: [&str; 96] = [
    // Spanish, Portuguese, Italian, French, Romanian
    "de", "la", "el", "los", "las", "que", "en", "una", "por", "para", "con", "es", "se", "un",
    "le", "les", "des", "et", "est", "dans", "pour", "une", "du", "je", "vous", "il", "di", "che",
    "per", "della", "del", "sono", "lo", "os", "da", "em", "não", "uma", "com", "și", "este", "nu",
    "cu", "y", "à", "é", "è", // German, Dutch, Danish, Norwegian, Swedish
    "der", "das", "und", "ist", "ich", "nicht", "ein", "eine", "zu", "den", "mit", "sie", "het",
    "een", "van", "ik", "niet", "og", "det", "er", "på", "som", "och", "att", "jag", "är", "en",
    // Polish, Czech, Turkish, Finnish, Hungarian, Indonesian, Vietnamese, Latin
    "nie", "się", "jest", "na", "že", "ve", "bir", "bu", "ja", "hän", "az", "egy", "és", "yang",
    "dan", "ini", "saya", "là", "của", "và", "non", "ad",
];

/// Shares of such words in running prose.
const LEAST_ENGLISH: f64 = 0.1;
const LEAST_FOREIGN: f64 = 0.15;
/// Above it a text is in English besides.
const MOST_ENGLISH: f64 = 0.05;

/// Whether the prose is in another language than English: by its script, else by frequent words and trigrams
/// (whatlang), which must agree. `None` where the text is too short, they do not, or the text is in two languages.
pub(super) fn is_foreign(text: &Blocks<'_>) -> Option<bool> {
    let pieces = text.prose.iter().flat_map(|line| line.split_whitespace());
    let words: Vec<&str> = pieces.filter(|word| is_word(word)).collect();
    let prose = words.join(" ");
    let letters = prose.chars().filter(|c| c.is_alphabetic()).count();
    let others = prose.chars().filter(|c| c.is_alphabetic() && !is_latin(*c)).count();
    if others * 2 > letters && others >= LEAST_FOREIGN_LETTERS {
        return Some(true);
    }
    if letters < LEAST_LETTERS {
        return None;
    }
    // A few frequent words tell more of a language than trigrams do, and names in a list have none.
    let plain = |word: &&str| word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
    let plain: Vec<String> = words.iter().map(plain).filter(|word| !word.is_empty()).collect();
    let share = |of: &[&str]| {
        let found = plain.iter().filter(|word| of.contains(&word.as_str())).count();
        found as f64 / plain.len() as f64
    };
    let (english, foreign) = (share(&ENGLISH), share(&FOREIGN));
    if english >= LEAST_ENGLISH && foreign < english {
        return Some(false);
    }
    let found = whatlang::detect(&prose).filter(whatlang::Info::is_reliable)?;
    match found.lang() {
        whatlang::Lang::Eng => (foreign < LEAST_FOREIGN).then_some(false),
        _ => (foreign >= LEAST_FOREIGN && english <= MOST_ENGLISH && is_running(&words))
            .then_some(true),
    }
}

/// Share of the texts from which on a language counts as one of a data set.
const LEAST_SHARE: f64 = 0.05;

/// The languages of a data set's texts, the most frequent first: those of a twentieth and more of the texts whose
/// language can be told. As ISO 639-1 where that has one of the frequent languages, else as ISO 639-3.
#[must_use]
pub fn languages<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for text in texts {
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let found = whatlang::detect(text).filter(whatlang::Info::is_reliable);
        if let Some(found) = found.filter(|_| letters >= LEAST_LETTERS) {
            *counts.entry(short_code(found.lang())).or_default() += 1;
        }
    }
    // Shares are of the texts whose language was told: short ones would dilute them.
    let all: usize = counts.values().sum();
    let mut languages: Vec<(&str, usize)> = counts.into_iter().collect();
    languages.retain(|(_, n)| *n as f64 >= LEAST_SHARE * all as f64);
    languages.sort_by_key(|(code, n)| (std::cmp::Reverse(*n), *code));
    languages.into_iter().map(|(code, _)| code).collect()
}

/// The two-letter code of a frequent language.
fn short_code(language: whatlang::Lang) -> &'static str {
    use whatlang::Lang;
    match language {
        Lang::Eng => "en",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Deu => "de",
        Lang::Fra => "fr",
        Lang::Jpn => "ja",
        Lang::Rus => "ru",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Kor => "ko",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        other => other.code(),
    }
}

/// Whether a piece of text says something of its language: addresses, paths and marks do not.
fn is_word(word: &str) -> bool {
    !word.contains("://") && !word.contains(['\\', '_', '=', '{', '}', '<', '>', '@'])
}

/// The Latin letters, with those of European languages and Vietnamese.
const fn is_latin(c: char) -> bool {
    matches!(c, '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_not_in_english() {
        let cases = [
            ("Short text.", None),
            (
                "Photosynthesis lets plants make sugar from light, water and carbon dioxide. It happens in \
                 chloroplasts, which hold the pigment that gives leaves their colour.",
                Some(false),
            ),
            (
                "Die Photosynthese erlaubt es Pflanzen, aus Licht und Wasser Zucker herzustellen. Sie findet in den \
                 Blättern statt, die das Licht mit einem grünen Farbstoff einfangen, und ist die Quelle der Nahrung.",
                Some(true),
            ),
            (
                "La photosynthèse permet aux plantes de produire du sucre à partir de la lumière, de l'eau et du gaz \
                 carbonique. Elle a lieu dans les feuilles.",
                Some(true),
            ),
            ("光合作用让植物利用光能制造糖分。", Some(true)),
            ("The sum α + β + γ is π.", None),
            (
                "1. La Haine 2. Belle de Jour 3. La Vie en Rose 4. Jules et Jim 5. Les Enfants du Paradis",
                None,
            ),
            ("Hydrogen, Helium, Lithium, Beryllium, Boron, Carbon, Nitrogen, Oxygen, Neon", None),
            (
                "```\nfür alle Zeilen von Code gilt das nicht und das ist auch gut so, denn Code ist keine Prosa\n```",
                None,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(is_foreign(&Blocks::of(text)), expected, "{text}");
        }
    }

    #[test]
    fn frequent_languages_are_named_and_single_texts_are_not() {
        let english = "Plants make sugar from light, water and carbon dioxide in their leaves.";
        let german = "Pflanzen stellen in ihren Blättern aus Licht und Wasser Zucker her.";
        let texts = |german_of_40: usize| {
            let texts = std::iter::repeat_n(german, german_of_40);
            languages(texts.chain(std::iter::repeat_n(english, 40 - german_of_40)).chain(["x"]))
        };
        assert_eq!(texts(1), ["en"]);
        assert_eq!(texts(10), ["en", "de"]);
        assert_eq!(languages(["42"].into_iter()), [""; 0]);
    }
}
