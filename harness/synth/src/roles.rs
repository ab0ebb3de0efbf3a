//! Who does what for one candidate (paper, section 3: roles are drawn without replacement).

use crate::adaptive::Experience;
use crate::candidate::Roles;
use crate::domain::Domain;
use crate::method::Member;
use crate::pool::ItemId;
use crate::request::ModelName;
use crate::stream::Stream;
use crate::variant::{Reviewers, RoleAssignment, Variant};

/// What the roles of one candidate are drawn from.
#[derive(Clone, Copy, Debug)]
pub struct RoleDraw<'a> {
    /// Root of the streams.
    pub run_seed: u64,
    /// The candidate that the roles serve.
    pub candidate: ItemId,
    /// Its domain, where it has one.
    pub domain: Option<Domain>,
    /// What the run has learnt so far; only adaptive roles depend on it.
    pub experience: &'a Experience,
    /// Says how roles are drawn; has passed [`Variant::check`].
    pub variant: &'a Variant,
    /// The model pool.
    pub members: &'a [Member],
}

impl RoleDraw<'_> {
    /// Assigns the roles.
    ///
    /// The pool is shuffled once per candidate from a stream whose name holds no variant; generator,
    /// reviewers and adjudicator are read off in turn. Variants with random roles thus share
    /// generators, and a smaller committee is a part of a larger one.
    #[must_use]
    pub fn assign(self) -> Roles {
        let Self { run_seed, candidate, domain, experience, variant, members } = self;
        let id = candidate.to_string();
        let name = |index: usize| members[index].name.clone();
        let committee = usize::from(variant.reviewers.drawn());
        // The models by seat: the generator, then the committee, then the adjudicator.
        let seats: Vec<ModelName> = match &variant.roles {
            RoleAssignment::Random => {
                let mut draw = Stream::named(run_seed, &[&id, "roles"]);
                draw.choose(members.len(), members.len()).into_iter().map(name).collect()
            }
            RoleAssignment::Adaptive => experience.order(run_seed, candidate, domain, members),
            // [V6] The pool's order, turned.
            RoleAssignment::Fixed { rotation } => (0..members.len())
                .map(|place| name((place + usize::from(*rotation)) % members.len()))
                .collect(),
            // [V5] One model in every seat: reviews are several samples of it.
            RoleAssignment::SingleModel(model) => vec![model.clone(); 2 + committee],
        };
        // [I3] Any member may summarise, the generator too, so the draw is not part of the shuffle.
        let summariser = match &variant.roles {
            RoleAssignment::SingleModel(model) => model.clone(),
            RoleAssignment::Random | RoleAssignment::Adaptive | RoleAssignment::Fixed { .. } => {
                name(Stream::named(run_seed, &[&id, "summariser"]).below(members.len()))
            }
        };
        let reviewers = match &variant.reviewers {
            // [V2, V3] A named reviewer takes no seat: it may be a teacher, or the generator itself.
            Reviewers::Named(model) => vec![model.clone()],
            // [R6] The same committee reviews instruction and response.
            Reviewers::Committee(_) | Reviewers::None => seats[1..=committee].to_vec(),
        };
        let adjudicator = variant.has_adjudicator().then(|| seats[1 + committee].clone());
        Roles { generator: seats[0].clone(), reviewers, adjudicator, summariser }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Sampling;

    fn members() -> Vec<Member> {
        ["llama", "qwen", "internlm", "mistral", "tulu"]
            .map(|name| Member::new(ModelName::new(name), Sampling::default()))
            .to_vec()
    }

    fn assign(number: u32, roles: RoleAssignment, reviewers: Reviewers) -> Roles {
        let variant = Variant { roles, reviewers, ..Variant::gra("v") };
        variant.check(&members(), &[]).unwrap();
        let draw = RoleDraw {
            run_seed: 42,
            candidate: ItemId::Candidate { round: 1, number },
            domain: None,
            experience: &Experience::default(),
            variant: &variant,
            members: &members(),
        };
        draw.assign()
    }

    #[test]
    fn drawn_roles_never_repeat_a_model_and_share_the_generator_over_variants() {
        for (number, drawn) in (0..200).flat_map(|number| {
            [RoleAssignment::Random, RoleAssignment::Adaptive].map(|drawn| (number, drawn))
        }) {
            let assign = |number, reviewers| assign(number, drawn.clone(), reviewers);
            let full = assign(number, Reviewers::Committee(3));
            let mut all = full.reviewers.clone();
            all.push(full.generator.clone());
            all.extend(full.adjudicator.clone());
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 5);
            let alone = Reviewers::Named(ModelName::new("llama"));
            for reviewers in [Reviewers::None, alone, Reviewers::Committee(2)] {
                let other = assign(number, reviewers);
                assert_eq!(other.generator, full.generator);
            }
            let two = assign(number, Reviewers::Committee(2));
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
        let variant = Variant::gra("gra");
        let error = variant.check(&members()[..4], &members()[4..]).unwrap_err();
        insta::assert_snapshot!(
            error,
            @"variant `gra` needs 5 models (one generator, 3 reviewers, one adjudicator) and the pool has 4"
        );
    }
}
