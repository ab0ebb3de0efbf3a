//! A model's tokens as bytes: what the template sampler needs to know of a vocabulary.
//!
//! Everything here is about *pieces*, the bytes that a token adds to a text. Byte-level BPE,
//! `SentencePiece` and byte-fallback vocabularies all come down to that, so nothing else in this
//! crate knows which kind of tokenizer a model has. Merged digits (`10`), split tags (`<`, `eo`,
//! `i>`) and tokens that end inside a multi-byte character are ordinary cases.

/// A token's number in its vocabulary.
pub type Token = u32;

/// What a token is to a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Adds its bytes to the text.
    Text,
    /// Ends generation (end of text, end of turn).
    End,
    /// Never generated: control, unknown and unused tokens.
    Hidden,
}

/// The pieces of a vocabulary and the tables drawn from them. Built once per model.
#[derive(Debug)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// Piece `t` is `bytes[starts[t]..starts[t + 1]]`.
    starts: Vec<usize>,
    kinds: Vec<TokenKind>,
    ends: Vec<Token>,
    /// Text tokens in the order of their pieces, then of their numbers.
    sorted: Vec<Token>,
    longest: usize,
    text_bias: Vec<f32>,
    quoted_bias: Vec<f32>,
    midway: Vec<Token>,
}

impl Vocabulary {
    /// Builds the tables from every token's piece and kind, in the order of their numbers. Tokens
    /// with an empty piece become [`TokenKind::Hidden`]: generating them would never end.
    #[must_use]
    pub fn new(tokens: impl IntoIterator<Item = (Vec<u8>, TokenKind)>) -> Self {
        let mut vocabulary = Self {
            bytes: Vec::new(),
            starts: vec![0],
            kinds: Vec::new(),
            ends: Vec::new(),
            sorted: Vec::new(),
            longest: 0,
            text_bias: Vec::new(),
            quoted_bias: Vec::new(),
            midway: Vec::new(),
        };
        for (token, (piece, kind)) in (0..).zip(tokens) {
            vocabulary.push(token, &piece, kind);
        }
        // Sorted by piece, so that every prefix search is a binary one.
        let mut sorted = std::mem::take(&mut vocabulary.sorted);
        sorted.sort_by(|a, b| vocabulary.piece(*a).cmp(vocabulary.piece(*b)).then(a.cmp(b)));
        vocabulary.sorted = sorted;
        vocabulary
    }

    fn push(&mut self, token: Token, piece: &[u8], kind: TokenKind) {
        let kind =
            if kind == TokenKind::Text && piece.is_empty() { TokenKind::Hidden } else { kind };
        self.bytes.extend_from_slice(piece);
        self.starts.push(self.bytes.len());
        self.kinds.push(kind);
        let (mut text, mut quoted) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        match kind {
            TokenKind::End => self.ends.push(token),
            TokenKind::Hidden => {}
            TokenKind::Text => {
                self.sorted.push(token);
                self.longest = self.longest.max(piece.len());
                if continues_utf8(&[], piece) {
                    text = 0.0;
                    if !must_be_escaped(piece) {
                        quoted = 0.0;
                    }
                // Begins within a character: only allowed right behind the token that began it.
                } else if piece.first().is_some_and(|b| is_continuation(*b)) {
                    self.midway.push(token);
                }
            }
        }
        self.text_bias.push(text);
        self.quoted_bias.push(quoted);
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there are no tokens at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The bytes of a token; empty for a number that the vocabulary does not have.
    #[must_use]
    pub fn piece(&self, token: Token) -> &[u8] {
        let token = token as usize;
        match (self.starts.get(token), self.starts.get(token + 1)) {
            (Some(start), Some(end)) => &self.bytes[*start..*end],
            _ => &[],
        }
    }

    /// What a token is; [`TokenKind::Hidden`] for a number that the vocabulary does not have.
    #[must_use]
    pub fn kind(&self, token: Token) -> TokenKind {
        self.kinds.get(token as usize).copied().unwrap_or(TokenKind::Hidden)
    }

    /// The tokens that end generation.
    #[must_use]
    pub fn ends(&self) -> &[Token] {
        &self.ends
    }

    /// One number per token to add to its logit: 0 for text that may start at a character border,
    /// minus infinity for everything else.
    pub(crate) fn text_bias(&self) -> &[f32] {
        &self.text_bias
    }

    /// Like [`Self::text_bias`], without backslashes and control characters (line breaks among
    /// them): what a JSON string may hold unescaped. Quotes stay; they close the string.
    pub(crate) fn quoted_bias(&self) -> &[f32] {
        &self.quoted_bias
    }

    /// Tokens that can only continue a multi-byte character which an earlier token began.
    pub(crate) fn midway(&self) -> &[Token] {
        &self.midway
    }

    /// All text tokens whose piece is a non-empty prefix of `text`.
    pub(crate) fn prefixes_of<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Token> + 'a {
        (1..=text.len().min(self.longest)).flat_map(move |n| self.spelled(&text[..n]))
    }

    /// All text tokens whose piece begins with `text`.
    pub(crate) fn starting_with(&self, text: &[u8]) -> &[Token] {
        // Pieces that begin with a text stand together, from the text itself on.
        let from = self.sorted.partition_point(|t| self.piece(*t) < text);
        let tail = &self.sorted[from..];
        &tail[..tail.partition_point(|t| self.piece(*t).starts_with(text))]
    }

    /// The text tokens whose piece is exactly `text`, lowest number first.
    fn spelled(&self, text: &[u8]) -> impl Iterator<Item = Token> + '_ {
        let from = self.sorted.partition_point(|t| self.piece(*t) < text);
        let to = from + self.sorted[from..].partition_point(|t| self.piece(*t) <= text);
        self.sorted[from..to].iter().copied()
    }

    /// Spells bytes with the longest piece that fits at each place. `None` when the vocabulary has
    /// no piece for some byte.
    #[must_use]
    pub fn spell(&self, text: &[u8]) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let longest = rest.len().min(self.longest);
            let (n, token) =
                (1..=longest).rev().find_map(|n| Some((n, self.spelled(&rest[..n]).next()?)))?;
            tokens.push(token);
            rest = &rest[n..];
        }
        Some(tokens)
    }

    /// The bytes that a run of tokens adds to a text.
    #[must_use]
    pub fn bytes_of(&self, tokens: &[Token]) -> Vec<u8> {
        tokens.iter().flat_map(|t| self.piece(*t)).copied().collect()
    }

    /// Makes tokens spell exactly `text`, given a tokenizer's opinion of it.
    ///
    /// `SentencePiece` tokenizers put a space before a text; a literal in the middle of a reply must
    /// not get one. Whatever else a tokenizer does (normalise, drop), the answer spells the text.
    /// `None` when the vocabulary has no piece for some byte.
    pub(crate) fn exactly(&self, text: &str, tokens: Vec<Token>) -> Option<Vec<Token>> {
        let text = text.as_bytes();
        let spelled = self.bytes_of(&tokens);
        if spelled == text {
            return Some(tokens);
        }
        // A tokenizer that puts a space before every text: the first token loses it again.
        if let (Some(first), Some(rest)) = (tokens.first(), spelled.strip_prefix(b" "))
            && rest == text
        {
            let mut fixed = self.spell(&self.piece(*first)[1..])?;
            fixed.extend_from_slice(&tokens[1..]);
            return Some(fixed);
        }
        self.spell(text)
    }
}

/// How many tokens there are, as limits count them.
pub(crate) fn count(tokens: &[Token]) -> u32 {
    u32::try_from(tokens.len()).unwrap_or(u32::MAX)
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Whether a piece holds what a JSON string must escape, quotes aside.
pub(crate) fn must_be_escaped(piece: &[u8]) -> bool {
    piece.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control())
}

/// Whether `pending` (the begun bytes of one character, possibly none) followed by `piece` is the
/// beginning of a valid UTF-8 text.
pub(crate) fn continues_utf8(pending: &[u8], piece: &[u8]) -> bool {
    let valid = |text: &[u8]| match std::str::from_utf8(text) {
        Ok(_) => true,
        // No length: the text ends within a character, which a later piece may complete.
        Err(error) => error.error_len().is_none(),
    };
    if pending.is_empty() { valid(piece) } else { valid(&[pending, piece].concat()) }
}

/// Length of the longest valid UTF-8 prefix.
pub(crate) fn valid_utf8_len(text: &[u8]) -> usize {
    match std::str::from_utf8(text) {
        Ok(_) => text.len(),
        Err(error) => error.valid_up_to(),
    }
}
