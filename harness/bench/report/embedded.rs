//! Rows and trails as blocks of data within the page: JSON, deflated, in base64.
//!
//! All rows are there. Trails are many times as long: disputed candidates come first, the others follow in
//! their order, until the file has reached its size. What is left out is in the store, and the page says
//! so.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use gra_synth::candidate::Candidate;
use gra_synth::committee::Decision;
use gra_synth::pool::ItemId;
use serde::Serialize;

use super::base64;
use super::markup::{Html, json_in_script};
use super::material::{Material, TrialMaterial};
use crate::browser::{About, Clip, Depth, Row, Teller, TrialNote};
use crate::store::Store;

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

/// The page's data.
pub(super) struct Embedded {
    /// `script` elements.
    pub(super) blocks: Html,
    /// Candidates.
    pub(super) candidates: usize,
    /// Of these, how many have their trail in the file.
    pub(super) trails: usize,
    /// Whether trails hold the exact prompts.
    pub(super) prompts: bool,
}

impl Embedded {
    /// Packs what fits beside a page of so many bytes.
    pub(super) fn new(material: &Material, store: &Store, page: usize) -> Result<Self> {
        let trials: Vec<_> = material.trials().collect();
        let all = || trials.iter().flat_map(|(_, facts)| &facts.candidates);
        let candidates = all().count();
        let clip = Clip::within(ROW_TEXTS, candidates);
        let note = |(trial, facts): &(&TrialMaterial, &gra_analysis::trial::TrialFacts)| {
            TrialNote::new(&trial.row.id, trial.row.finished, facts.candidates.len())
        };
        let about = About::new(trials.iter().map(note).collect(), clip.shown(all()));
        let mut blocks = json_block("about", &about)?;

        let rows = trials.iter().enumerate().flat_map(|(place, (_, facts))| {
            facts.candidates.iter().map(move |candidate| Row::new(place, candidate, clip))
        });
        let rows: Vec<Row> = rows.collect();
        for chunk in rows.chunks(ROWS) {
            blocks.push(&Html::ours(format!(
                "<script type=\"text/plain\" class=\"rows\">{}</script>\n",
                pack(&chunk)?
            )));
        }

        let mut told: Vec<(usize, &Candidate)> = trials
            .iter()
            .enumerate()
            .flat_map(|(place, (_, facts))| facts.candidates.iter().map(move |c| (place, c)))
            .collect();
        told.sort_by_key(|(_, candidate)| candidate.decision != Some(Decision::Dispute));
        let depth = if candidates <= WITH_PROMPTS { Depth::Prompts } else { Depth::Replies };
        let mut instructions = Instructions::default();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut left = FILE.saturating_sub(page + blocks.len());
        for (number, chunk) in told.chunks(TRAILS).enumerate() {
            let mut trails = BTreeMap::new();
            for &(place, candidate) in chunk {
                let (trial, facts) = trials[place];
                let instructions = instructions.of(store, place, trial, &facts.candidates)?;
                let (trial, method) = (trial.row.row, &trial.settings.method);
                let teller = Teller { store, trial, method, depth, instructions };
                let trail = teller.tell(candidate.clone())?;
                trails.insert(format!("{place}/{}", candidate.id), trail);
            }
            let block = format!(
                "<script type=\"text/plain\" id=\"trails-{number}\">{}</script>\n",
                pack(&trails)?
            );
            // The index takes its room too.
            let Some(rest) = left.checked_sub(block.len() + 30 * trails.len()) else { break };
            left = rest;
            index.extend(trails.into_keys().map(|key| (key, number)));
            blocks.push(&Html::ours(block));
        }
        blocks.push(&json_block("trail-index", &index)?);
        let prompts = matches!(depth, Depth::Prompts);
        Ok(Self { blocks, candidates, trails: index.len(), prompts })
    }
}

/// Instructions of the pool's items, one trial at a time.
#[derive(Default)]
struct Instructions {
    place: Option<usize>,
    known: BTreeMap<ItemId, String>,
}

impl Instructions {
    fn of(
        &mut self,
        store: &Store,
        place: usize,
        trial: &TrialMaterial,
        candidates: &[Candidate],
    ) -> Result<&BTreeMap<ItemId, String>> {
        if self.place != Some(place) {
            self.known = store.seed_instructions(trial.row.row)?.into_iter().collect();
            let samples = candidates.iter().filter(|candidate| candidate.is_sample());
            let named = samples.filter_map(|sample| Some((sample.id, sample.instruction.clone()?)));
            self.known.extend(named);
            self.place = Some(place);
        }
        Ok(&self.known)
    }
}

fn json_block(id: &str, value: &impl Serialize) -> Result<Html> {
    let json = json_in_script(&serde_json::to_string(value)?);
    Ok(Html::ours(format!("<script type=\"application/json\" id=\"{id}\">{json}</script>\n")))
}

fn pack(value: &impl Serialize) -> Result<String> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&serde_json::to_vec(value)?)?;
    Ok(base64::encode(&packer.finish()?))
}
