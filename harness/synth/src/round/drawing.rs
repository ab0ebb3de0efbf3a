//! From what a round has to the candidates that it works on.

use super::{Material, Round, Setting};
use crate::candidate::Candidate;
use crate::domain::Domain;
use crate::pool::{ItemId, Pool};
use crate::roles::{Casting, Roles};
use crate::stream::Stream;

impl Round<'_> {
    /// The next candidate, as it is drawn.
    pub(super) fn draw(&self) -> Candidate {
        let at = self.candidates.len();
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let id = ItemId::Candidate { round: self.number, number };
        match self.material {
            Material::Pool(pool) => {
                let (domain, examples) = self.draw_examples(pool, id);
                let roles = self.roles(id, Some(domain));
                Candidate::drawn(id, self.wave, Some(domain), examples, roles)
            }
            Material::Seeds(items) => {
                let item = &items[at];
                let domain = item.annotation.as_ref().map(|annotation| annotation.domain);
                let examples = vec![item.id()];
                let roles = self.roles(id, domain);
                let drawn = Candidate::drawn(id, self.wave, domain, examples, roles);
                Candidate { instruction: Some(item.instruction.clone()), ..drawn }
            }
        }
    }

    fn roles(&self, id: ItemId, domain: Option<Domain>) -> Roles {
        let Setting { asker, variant, members, .. } = self.setting;
        let run_seed = asker.run_seed;
        let experience = &self.experience;
        Roles::assign(Casting { run_seed, candidate: id, domain, experience }, variant, members)
    }

    /// Draws domain and examples, each from its own stream.
    fn draw_examples(&self, pool: &Pool, id: ItemId) -> (Domain, Vec<ItemId>) {
        let (asker, method, name) = (self.setting.asker, self.method(), id.to_string());
        let stream = |purpose| Stream::named(asker.run_seed, &[&name, purpose]);

        let domain = stream("domain").weighted(&self.domain_weights);
        let domain = Domain::ALL[domain.unwrap_or_default()];
        let items = pool.of_domain(domain);
        let mut draw = stream("examples");
        let span = (method.max_examples - method.min_examples + 1) as usize;
        let count = method.min_examples as usize + draw.below(span);
        let chosen = draw.choose(items.len(), count);
        let examples = chosen.into_iter().map(|at| pool.items()[items[at]].id).collect();
        (domain, examples)
    }
}
