//! Some candidates as cards near the top, and all of them: rows and trails as blocks of data within the page (JSON,
//! deflated, in base64).
//!
//! All rows are there. Trails are many times as long: disputed candidates come first, the others follow in
//! their order, until the file has reached its size. What is left out is in the store, and the page says
//! so.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use gra_synth::candidate::{Candidate, Outcome, ResponseReview};
use gra_synth::committee::Decision;
use serde::Serialize;

use super::{ReportSubject, SeedResults};
use crate::browser::{BrowserIndex, CandidateRow, Clip, TrialNote};
use crate::html::{Html, json_in_script};
use crate::store::Store;
use crate::trail::TrailReader;

/// Most bytes of the file.
const FILE: usize = 14_000_000;

/// Bytes of plain text that rows may hold together; about half of the file once packed.
const ROW_TEXTS: usize = 16_000_000;

/// Rows of one block, which is unpacked at once.
const ROWS: usize = 5_000;

/// Trails of one block, likewise.
const TRAILS: usize = 40;

/// Up to so many candidates, trails hold the exact prompts as well.
const WITH_PROMPTS: usize = 1_000;

/// Bytes that a trail takes in the index of blocks.
const INDEX_ENTRY: usize = 30;

/// Characters of a text on a card.
const CARD: usize = 420;

/// What came out, at first sight: of a run seed's reference the first candidate that was accepted, the first that was
/// disputed and the first that was rejected with its reviews. None is chosen by how it reads.
pub(super) fn cards(seed: &SeedResults) -> Html {
    let candidates = &seed.group.facts[0].candidates;
    let is_disputed = |one: &&Candidate| one.decision == Some(Decision::Dispute);
    let accepted = candidates.iter().find(|one| one.is_sample() && !is_disputed(one));
    let disputed = candidates.iter().find(is_disputed);
    let rejected = candidates
        .iter()
        .find(|one| one.outcome == Some(Outcome::Rejected) && !one.response_reviews.is_empty());
    let cards: Html = [accepted, disputed, rejected].into_iter().flatten().map(card).collect();
    if cards.len() == 0 { cards } else { Html::element("div", "cards", &cards) }
}

fn card(candidate: &Candidate) -> Html {
    let row = CandidateRow::new(0, candidate, Clip::to(CARD));
    let word = if row.disputed { "disputed" } else { row.outcome };
    let chip = Html::worded("span", &format!("chip {word}"), word);
    let named = Html::text(format!(" {} by {}", row.domain, row.generator));
    let score = |one: &ResponseReview| format!("{} {:.2}", one.reviewer, one.scores.mean());
    let adjudicator = candidate.adjudication.iter();
    let adjudicator = adjudicator.map(|one| format!("adjudicator {}", score(one)));
    let scores = candidate.response_reviews.iter().map(score).chain(adjudicator);
    let scores: Vec<String> = scores.collect();
    // Of a dispute the word above does not say how it was settled.
    let end = if row.disputed { format!("; {}", row.outcome) } else { String::new() };
    let content = Html::from_iter([
        Html::element("h3", "", &Html::from_iter([chip, named])),
        Html::worded("p", "card-text", row.instruction),
        Html::worded("p", "card-text answer", row.response),
        Html::worded("p", "hint", format!("{}{end} ({})", scores.join(", "), row.id)),
    ]);
    Html::element("article", "card", &content)
}

/// The data of the browser of samples.
pub(super) struct EmbeddedSamples {
    /// `script` elements.
    pub(super) blocks: Html,
    /// Candidates.
    pub(super) candidates: usize,
    /// Of these, how many have their trail in the file.
    pub(super) trails: usize,
    /// Whether trails hold the exact prompts.
    pub(super) prompts: bool,
}

impl EmbeddedSamples {
    /// Packs what fits beside a page of so many bytes.
    pub(super) fn pack(subject: &ReportSubject, store: &Store, page: usize) -> Result<Self> {
        // The page knows a trial by its place in this order.
        let all: Vec<(usize, &Candidate)> = subject
            .trials()
            .enumerate()
            .flat_map(|(trial, (_, facts))| facts.candidates.iter().map(move |c| (trial, c)))
            .collect();
        let clip = Clip::within(ROW_TEXTS, all.len());
        let notes = subject.trials().map(|(trial, _)| TrialNote::new(trial)).collect();
        let shown = clip.shown(all.iter().map(|(_, candidate)| *candidate));
        let mut blocks = json_block("about", &BrowserIndex::new(notes, shown))?;
        for chunk in all.chunks(ROWS) {
            let rows: Vec<_> = chunk
                .iter()
                .map(|(trial, candidate)| CandidateRow::new(*trial, candidate, clip))
                .collect();
            blocks.push(&packed_block("class=\"rows\"", &rows)?);
        }

        // Prompts are most of a trail's bytes, and repeat the templates.
        let prompts = all.len() <= WITH_PROMPTS;
        let readers = subject.trials().map(|(trial, _)| TrailReader::new(store, trial, prompts));
        let mut readers: Vec<TrailReader<'_>> = readers.collect();
        let mut by_interest = all.clone();
        // A stable sort: within both groups the order of the trial stays.
        by_interest.sort_by_key(|(_, candidate)| candidate.decision != Some(Decision::Dispute));
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut left = FILE.saturating_sub(page + blocks.len());
        for (number, chunk) in by_interest.chunks(TRAILS).enumerate() {
            let mut trails = BTreeMap::new();
            for &(trial, candidate) in chunk {
                let trail = readers[trial].read(candidate.clone())?;
                trails.insert(format!("{trial}/{}", candidate.id), trail);
            }
            let block = packed_block(&format!("id=\"trails-{number}\""), &trails)?;
            // The index takes its room too.
            let Some(rest) = left.checked_sub(block.len() + INDEX_ENTRY * trails.len()) else {
                break;
            };
            left = rest;
            index.extend(trails.into_keys().map(|key| (key, number)));
            blocks.push(&block);
        }
        blocks.push(&json_block("trail-index", &index)?);
        Ok(Self { blocks, candidates: all.len(), trails: index.len(), prompts })
    }
}

fn json_block(id: &str, value: &impl Serialize) -> Result<Html> {
    let json = json_in_script(&serde_json::to_string(value)?);
    Ok(Html::trusted(format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n")))
}

fn packed_block(attribute: &str, value: &impl Serialize) -> Result<Html> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&serde_json::to_vec(value)?)?;
    let data = BASE64_STANDARD.encode(packer.finish()?);
    Ok(Html::trusted(format!("<script type=\"text/plain\" {attribute}>{data}</script>\n")))
}
