//! Who does what for one candidate (paper, section 3: roles are drawn without replacement), and roles that learn:
//! who should generate, review and adjudicate, judged by what a run has recorded (beyond the paper, whose limitations
//! ask for it; METHOD.md, "Adaptive roles").
//!
//! Learnt roles are drawn by Thompson sampling (Thompson 1933; Russo et al. 2018, section 3) with Beta posteriors
//! over uniform priors: for every candidate each member draws how good it might be, and the best draws get the roles.
//! A model with few records is tried; a model with bad records is drawn less and less often, and never given up.
//!
//! - **Generators**, by domain: whether the candidate passed, review and deduplication both. A generator
//!   that repeats itself is no better than one that is rejected.
//! - **Judges**: whether a reviewer's verdict is that of the rest of its committee, under the method's own
//!   rule: no zero bit, or a mean of at least tau. Agreement is learnt apart where the rest lets a candidate
//!   pass and where it does not, and the two count alike: a reviewer that lets everything pass agrees in the first
//!   case alone and is worth no more than a coin. That holds as long as a committee is not lenient as a
//!   whole: a run knows no truth but its committees'.
//! - **Adjudicators** are taken as judges. In a dispute the committee's mean lets pass by definition and its
//!   members disagree, so there is nothing that an adjudicator's own word could be held against.
//!
//! A wave's roles are drawn from what earlier waves and rounds recorded, so they depend on no schedule and
//! replay. The facts are whole only where every reviewer is asked: see
//! [`Variant::economy`](crate::variant::Variant::economy).

use std::collections::BTreeMap;

use crate::candidate::{Candidate, MalformedReply, Outcome, Roles};
use crate::committee::{Scores, Tally, Thousandths};
use crate::domain::Domain;
use crate::method::Member;
use crate::pool::ItemId;
use crate::request::{ModelName, Stage};
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

/// How often something went one way and the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Passed, or agreed.
    pub yes: u32,
    /// Did not.
    pub no: u32,
}

impl Count {
    fn add(&mut self, yes: bool) {
        *(if yes { &mut self.yes } else { &mut self.no }) += 1;
    }

    /// A draw from Beta(1 + yes, 1 + no), in units of 2^-64.
    fn draw(self, stream: &mut Stream) -> u64 {
        stream.beta(self.yes + 1, self.no + 1)
    }
}

/// A reviewer's verdicts beside those of the rest of its committee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Where the rest let pass.
    pub passing: Count,
    /// Where the rest did not.
    pub failing: Count,
}

/// What a run has learnt of its models: counts, from which posteriors are drawn. Without any facts every model
/// draws from the same uniform distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Experience {
    generated: BTreeMap<(ModelName, Option<Domain>), Count>,
    judged: BTreeMap<ModelName, Agreement>,
}

impl Experience {
    /// What was known when this candidate's roles were drawn: the facts of earlier waves and rounds.
    #[must_use]
    pub fn before(candidate: &Candidate, all: &[Candidate], tau: Thousandths) -> Self {
        let mut experience = Self::default();
        experience.learn_all(all.iter().filter(|other| turn(other) < turn(candidate)), tau);
        experience
    }

    /// Adds the facts of several candidates; their order does not matter.
    pub fn learn_all<'a>(
        &mut self,
        candidates: impl IntoIterator<Item = &'a Candidate>,
        tau: Thousandths,
    ) {
        for candidate in candidates {
            self.learn(candidate, tau);
        }
    }

    /// Adds the facts of a candidate. One without an outcome teaches nothing, and one that an engine failed
    /// on nothing about its generator.
    pub fn learn(&mut self, candidate: &Candidate, tau: Thousandths) {
        let Some(outcome) = candidate.outcome else { return };
        let generator = (candidate.roles.generator.clone(), candidate.domain);
        // A surplus candidate passed every check; only the round's target was full.
        let passed = matches!(outcome, Outcome::Accepted | Outcome::Surplus);
        // Had the engine answered, the candidate might have passed or not.
        if !matches!(outcome, Outcome::Failed { .. }) {
            self.generated.entry(generator).or_default().add(passed);
        }
        for stage in [Stage::InstructionReview, Stage::ResponseReview] {
            let reviews = Reviews { candidate, stage, tau };
            for (seat, reviewer) in (0..).zip(&candidate.roles.reviewers) {
                let Some(rest) = reviews.verdict_without(seat) else { continue };
                let Some(own) = reviews.verdict_of(seat, rest) else { continue };
                let agreement = self.judged.entry(reviewer.clone()).or_default();
                // Apart by the others' verdict: agreeing with everything is then worth a coin's toss.
                let count = if rest { &mut agreement.passing } else { &mut agreement.failing };
                count.add(own == rest);
            }
        }
    }

    /// What became of a model's candidates of a domain: passed, or not.
    #[must_use]
    pub fn generated(&self, model: &ModelName, domain: Option<Domain>) -> Count {
        self.generated.get(&(model.clone(), domain)).copied().unwrap_or_default()
    }

    /// How a model's verdicts stand beside those of its committees.
    #[must_use]
    pub fn judged(&self, model: &ModelName) -> Agreement {
        self.judged.get(model).copied().unwrap_or_default()
    }

    /// All members in the order in which roles are given for a candidate: the generator, then the judges
    /// by falling draw. Equal draws stand in pool order.
    ///
    /// Reviewers come before the adjudicator: they decide about every candidate, it about disputes.
    pub(crate) fn order(
        &self,
        run_seed: u64,
        candidate: ItemId,
        domain: Option<Domain>,
        members: &[Member],
    ) -> Vec<ModelName> {
        let id = candidate.to_string();
        let stream = |role, model: &ModelName| {
            Stream::named(run_seed, &[&id, "adaptive", role, model.as_str()])
        };
        let as_generator =
            |model: &ModelName| self.generated(model, domain).draw(&mut stream("generator", model));
        let as_judge = |model: &ModelName| {
            let (mut stream, agreement) = (stream("judge", model), self.judged(model));
            // The mean of both draws; each is halved first, so that the sum fits 64 bits.
            agreement.passing.draw(&mut stream) / 2 + agreement.failing.draw(&mut stream) / 2
        };
        // The best draw generates; the judges' draws order the others. Cached keys: every draw is made once.
        let mut names: Vec<ModelName> = members.iter().map(|member| member.name.clone()).collect();
        names.sort_by_cached_key(|model| std::cmp::Reverse(as_generator(model)));
        if let Some((_, judges)) = names.split_first_mut() {
            // The generator's draws have reordered the names, so equal draws need the pool's order stated.
            let place = |model: &ModelName| members.iter().position(|member| member.name == *model);
            judges.sort_by_cached_key(|model| (std::cmp::Reverse(as_judge(model)), place(model)));
        }
        names
    }
}

/// Round and wave: candidates with equal ones were drawn together.
const fn turn(candidate: &Candidate) -> (u32, u32) {
    match candidate.id {
        ItemId::Candidate { round, .. } => (round, candidate.wave),
        ItemId::Seed(_) => (0, candidate.wave),
    }
}

/// The reviews of a candidate at one of the two review stages.
#[derive(Clone, Copy)]
struct Reviews<'a> {
    candidate: &'a Candidate,
    stage: Stage,
    tau: Thousandths,
}

impl Reviews<'_> {
    /// Whether these seats together would let the candidate pass; `None` when there are none, or a review is
    /// missing.
    fn verdict(&self, seats: impl Iterator<Item = u8>) -> Option<bool> {
        let Candidate { instruction_reviews, response_reviews, .. } = self.candidate;
        if self.stage == Stage::InstructionReview {
            let has_zero = |seat| {
                let review = instruction_reviews.iter().find(|review| review.seat == seat);
                review.map(|review| review.bits.contains(&false))
            };
            let zeros: Vec<bool> = seats.map(has_zero).collect::<Option<_>>()?;
            return (!zeros.is_empty()).then(|| !zeros.contains(&true));
        }
        let scores: Vec<Scores> = seats
            .map(|seat| Some(response_reviews.iter().find(|review| review.seat == seat)?.scores))
            .collect::<Option<_>>()?;
        Some(!Tally::from_scores(scores)?.cannot_reach(0, self.tau))
    }

    /// The verdict of the committee without one seat.
    fn verdict_without(&self, seat: u8) -> Option<bool> {
        let seats = (0..).zip(&self.candidate.roles.reviewers).map(|(other, _)| other);
        self.verdict(seats.filter(|&other| other != seat))
    }

    /// The verdict of one seat. A reply that stayed malformed counts as the opposite of the others' verdict;
    /// `None` for a seat that was not asked.
    fn verdict_of(&self, seat: u8, others: bool) -> Option<bool> {
        let is_malformed = |reply: &MalformedReply| reply.stage == self.stage && reply.seat == seat;
        let opposite = || self.candidate.malformed.iter().any(is_malformed).then_some(!others);
        self.verdict(std::iter::once(seat)).or_else(opposite)
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
