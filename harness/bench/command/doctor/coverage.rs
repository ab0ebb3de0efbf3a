//! What `doctor` looked at, and what it did not: "no problems found" is said of nothing else.

use std::fmt::Write as _;

use anyhow::Result;
use gra_llm::model_pool::check::{FoundModel, HashCheck, ModelCheck, PoolPart};
use serde::Serialize;

use super::ServerFinding;

/// Two lists of short sentences without a full stop. What was not looked at is named model by model.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Coverage {
    looked_at: Vec<String>,
    not_looked_at: Vec<String>,
}

impl Coverage {
    pub(super) fn of(checks: &[ModelCheck], servers: &[ServerFinding], were_judged: bool) -> Self {
        let (mut looked_at, mut not_looked_at) = (Vec::new(), Vec::new());
        let mut looked = |checks: &[&ModelCheck], what: &str| {
            looked_at.extend(counted(checks).map(|models| format!("{models}: {what}")));
        };
        let with = |is: fn(&FoundModel) -> bool| -> Vec<&ModelCheck> {
            checks.iter().filter(|check| check.found.as_ref().is_ok_and(is)).collect()
        };
        let whole = "all files here, headers read, each file long enough for its tensors";
        looked(&with(|found| found.header.is_ok()), whole);
        looked(&with(|found| found.hash == HashCheck::Matches), "hashes as the pool pins them");
        let answered = servers.iter().filter(|server| server.identity.is_some()).count();
        if answered > 0 {
            looked_at.push(format!("servers of {answered} models: asked for one short reply each"));
        }

        for check in checks.iter().filter(|check| check.found.is_err()) {
            let (part, name) = (part_name(check.part), &check.name);
            not_looked_at.push(format!("{part} `{name}`: not all of its files are here"));
        }
        for server in servers.iter().filter(|server| server.identity.is_none()) {
            not_looked_at.push(format!("model `{}`: its server did not answer", server.name));
        }
        let unpinned = with(|found| found.hash == HashCheck::Unpinned);
        let names: Vec<String> = unpinned.iter().map(|check| format!("`{}`", check.name)).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            not_looked_at
                .push(format!("whether the files of {names} are the right ones: not pinned"));
        }
        if were_judged {
            looked_at.push("members: asked to review texts of known quality".to_owned());
        } else if !checks.is_empty() {
            not_looked_at.push("what models in files write: none was asked".to_owned());
        }
        Self { looked_at, not_looked_at }
    }

    pub(super) fn write(&self, text: &mut String) -> Result<()> {
        for (title, lines) in
            [("looked at", &self.looked_at), ("not looked at", &self.not_looked_at)]
        {
            if !lines.is_empty() {
                writeln!(text, "\n{title}")?;
            }
            for line in lines {
                writeln!(text, "  - {line}")?;
            }
        }
        Ok(())
    }
}

/// As findings and messages have it.
pub(super) const fn part_name(part: PoolPart) -> &'static str {
    match part {
        PoolPart::Member => "member",
        PoolPart::Teacher => "teacher",
        PoolPart::Encoder => "encoder",
    }
}

/// `5 members, 1 teacher and the encoder`; `None` of no models.
fn counted(checks: &[&ModelCheck]) -> Option<String> {
    let count = |part: PoolPart| match checks.iter().filter(|check| check.part == part).count() {
        0 => None,
        _ if part == PoolPart::Encoder => Some("the encoder".to_owned()),
        1 => Some(format!("1 {}", part_name(part))),
        several => Some(format!("{several} {}s", part_name(part))),
    };
    let parts =
        [PoolPart::Member, PoolPart::Teacher, PoolPart::Encoder].into_iter().filter_map(count);
    let parts: Vec<String> = parts.collect();
    let (last, others) = parts.split_last()?;
    if others.is_empty() {
        Some(last.clone())
    } else {
        Some(format!("{} and {last}", others.join(", ")))
    }
}
