//! Who does what for one candidate (paper, section 3: roles are drawn without replacement).

use serde::{Deserialize, Serialize};

use crate::method::Member;
use crate::pool::ItemId;
use crate::request::ModelName;
use crate::stream::Stream;
use crate::variant::{Reviewers, RoleAssignment, Variant};

/// The models that serve one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Writes keywords, instruction and response.
    pub generator: ModelName,
    /// In seat order; empty when nobody reviews.
    pub reviewers: Vec<ModelName>,
    /// `None` when the variant has no adjudicator.
    pub adjudicator: Option<ModelName>,
    /// Summarises the sample, should it be kept. Drawn from the whole pool (METHOD.md, I3).
    pub summariser: ModelName,
}

impl Roles {
    /// Assigns the roles of a candidate. The variant has passed [`Variant::check`].
    ///
    /// The pool is shuffled once per candidate from a stream that no variant is part of; generator,
    /// reviewers and adjudicator are read off in turn. Variants with random roles thus share
    /// generators, and a smaller committee is a part of a larger one.
    #[must_use]
    pub fn assign(run_seed: u64, candidate: ItemId, variant: &Variant, members: &[Member]) -> Self {
        let id = candidate.to_string();
        let mut draw = Stream::named(run_seed, &[&id, "roles"]);
        let mut summariser_draw = Stream::named(run_seed, &[&id, "summariser"]);
        let name = |index: usize| members[index].name.clone();
        let seats: Vec<ModelName> = match &variant.roles {
            RoleAssignment::Random => {
                draw.choose(members.len(), members.len()).into_iter().map(name).collect()
            }
            RoleAssignment::Fixed { rotation } => (0..members.len())
                .map(|place| name((place + usize::from(*rotation)) % members.len()))
                .collect(),
            RoleAssignment::SingleModel(model) => {
                vec![model.clone(); 2 + usize::from(variant.reviews())]
            }
        };
        let summariser = match &variant.roles {
            RoleAssignment::SingleModel(model) => model.clone(),
            RoleAssignment::Random | RoleAssignment::Fixed { .. } => {
                name(summariser_draw.below(members.len()))
            }
        };
        let committee = match variant.reviewers {
            Reviewers::Committee(n) => usize::from(n),
            Reviewers::Named(_) | Reviewers::None => 0,
        };
        let reviewers = match &variant.reviewers {
            Reviewers::Named(model) => vec![model.clone()],
            Reviewers::Committee(_) | Reviewers::None => seats[1..=committee].to_vec(),
        };
        let adjudicator = variant.has_adjudicator().then(|| seats[1 + committee].clone());
        Self { generator: seats[0].clone(), reviewers, adjudicator, summariser }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Sampling;
    use crate::variant::DisputeRule;

    fn members() -> Vec<Member> {
        ["llama", "qwen", "internlm", "mistral", "tulu"]
            .map(|name| Member { name: ModelName::new(name), sampling: Sampling::default() })
            .to_vec()
    }

    fn assign(number: u32, roles: RoleAssignment, reviewers: Reviewers) -> Roles {
        let dispute = DisputeRule::Adjudicator;
        let variant = Variant { name: "v".into(), roles, reviewers, dispute };
        variant.check(&members(), &[]).unwrap();
        Roles::assign(42, ItemId::Candidate { round: 1, number }, &variant, &members())
    }

    #[test]
    fn random_roles_never_repeat_a_model_and_share_the_generator_over_variants() {
        for number in 0..200 {
            let full = assign(number, RoleAssignment::Random, Reviewers::Committee(3));
            let mut all = full.reviewers.clone();
            all.push(full.generator.clone());
            all.extend(full.adjudicator.clone());
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 5);
            let alone = Reviewers::Named(ModelName::new("llama"));
            for reviewers in [Reviewers::None, alone, Reviewers::Committee(2)] {
                let other = assign(number, RoleAssignment::Random, reviewers);
                assert_eq!(other.generator, full.generator);
            }
            let two = assign(number, RoleAssignment::Random, Reviewers::Committee(2));
            assert_eq!(two.reviewers, full.reviewers[..2]);
        }
    }

    #[test]
    fn fixed_roles_follow_pool_order_and_rotate() {
        let fixed = |rotation| {
            let roles = assign(0, RoleAssignment::Fixed { rotation }, Reviewers::Committee(3));
            let reviewers: Vec<&str> = roles.reviewers.iter().map(ModelName::as_str).collect();
            let adjudicator = roles.adjudicator.unwrap();
            format!("{} | {} | {adjudicator}", roles.generator, reviewers.join(" "))
        };
        assert_eq!(fixed(0), "llama | qwen internlm mistral | tulu");
        assert_eq!(fixed(2), "internlm | mistral tulu llama | qwen");
    }

    #[test]
    fn a_single_model_fills_every_seat() {
        let model = ModelName::new("llama");
        let roles = assign(9, RoleAssignment::SingleModel(model.clone()), Reviewers::Committee(3));
        assert_eq!(roles.reviewers, vec![model.clone(); 3]);
        assert_eq!(roles.adjudicator, Some(model.clone()));
        assert_eq!(roles.summariser, model);
    }

    #[test]
    fn a_pool_that_cannot_fill_the_roles_is_refused() {
        let variant = Variant {
            name: "gra".into(),
            roles: RoleAssignment::Random,
            reviewers: Reviewers::Committee(3),
            dispute: DisputeRule::Adjudicator,
        };
        let error = variant.check(&members()[..4], &members()[4..]).unwrap_err();
        insta::assert_snapshot!(
            error,
            @"variant `gra` needs 5 models (one generator, 3 reviewers, one adjudicator) and the pool has 4"
        );
    }
}
