//! From what a round has to the candidates that it works on (paper, section 3.2; METHOD.md, G1-G3 and G12).

use super::{Material, Round, Setting};
use crate::candidate::Candidate;
use crate::domain::Domain;
use crate::pool::{ItemId, Pool};
use crate::roles::RoleDraw;
use crate::stream::Stream;

/// How many seed items each domain has, in the order of [`Domain::ALL`]: its weight in the draw of domains. A
/// domain with too few items for a generation has none.
pub(super) fn domain_weights(pool: &Pool, min_examples: u32) -> Vec<usize> {
    let weight = |domain| {
        // [G12] Samples of earlier rounds count as items. [G3] They do not count as weight, so that no round
        // drifts towards the domains that were easy in the last one.
        let is_drawn = pool.of_domain(domain).len() >= min_examples as usize;
        if is_drawn { pool.seed_share(domain) } else { 0 }
    };
    Domain::ALL.map(weight).to_vec()
}

impl Round<'_> {
    /// The next candidate, as it is drawn.
    pub(super) fn draw(&self) -> Candidate {
        let at = self.candidates.len();
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let id = ItemId::Candidate { round: self.number, number };
        let (domain, examples, instruction) = match self.material {
            Material::Pool(pool) => {
                let (domain, examples) = self.draw_examples(pool, id);
                (Some(domain), examples, None)
            }
            // [B1, B4] Candidate i answers the seed set's i-th item; nothing is drawn but the roles.
            Material::Seeds(items) => {
                let item = &items[at];
                let domain = item.annotation.as_ref().map(|annotation| annotation.domain);
                (domain, vec![item.id()], Some(item.instruction.clone()))
            }
        };
        let Setting { asker, variant, members, .. } = self.setting;
        let (run_seed, experience) = (asker.run_seed, &self.experience);
        let draw = RoleDraw { run_seed, candidate: id, domain, experience, variant, members };
        let drawn = Candidate::drawn(id, self.wave, domain, examples, draw.assign());
        Candidate { instruction, ..drawn }
    }

    /// Draws domain and examples, each from its own stream.
    fn draw_examples(&self, pool: &Pool, id: ItemId) -> (Domain, Vec<ItemId>) {
        let (asker, method, name) = (self.setting.asker, self.method(), id.to_string());
        let stream = |purpose| Stream::named(asker.run_seed, &[&name, purpose]);

        let domain = stream("domain").weighted(&self.domain_weights);
        // `Round::new` has refused a pool in which all weights are 0, so a domain is always drawn.
        let domain = Domain::ALL[domain.unwrap_or_default()];
        let items = pool.of_domain(domain);
        let mut draw = stream("examples");
        // [G1] 2 to 4 examples, each number equally likely; [G12] of a small domain all that there are.
        let span = (method.max_examples - method.min_examples + 1) as usize;
        let count = method.min_examples as usize + draw.below(span);
        let chosen = draw.choose(items.len(), count);
        let examples = chosen.into_iter().map(|at| pool.items()[items[at]].id).collect();
        (domain, examples)
    }
}
