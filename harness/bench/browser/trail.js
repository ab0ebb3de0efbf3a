"use strict";
// One candidate's trail as elements. Texts of models become text nodes and nothing else.

/** A text in which all that a browser would hide or act on is seen, as in a terminal: controls, turned directions. */
function legible(text) {
  const hidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
  return text.replace(hidden, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);
}

/** An element with a class and children; strings become text nodes. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  const shown = children.filter((child) => child !== null && child !== undefined);
  element.append(...shown.map((child) => typeof child === "string" ? legible(child) : child));
  return element;
}

/** A text in the direction of its own letters. */
function words(tag, className, text) {
  const element = make(tag, className, text);
  element.dir = "auto";
  return element;
}

function chip(outcome) {
  return make("span", "chip " + outcome.replace(" ", "-"), outcome);
}

/** Shows a number that may be absent. */
function number(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
}

function table(caption, head, rows) {
  const cells = (tag, row) => row.map((cell, place) => {
    const cellElement = make(place === 0 && tag === "td" ? "th" : tag, "", cell);
    if (cellElement.tagName === "TH") cellElement.scope = tag === "th" ? "col" : "row";
    return cellElement;
  });
  const element = make("table", "small",
    make("caption", "", make("span", "", caption)),
    make("thead", "", make("tr", "", ...cells("th", head))),
    make("tbody", "", ...rows.map((row) => make("tr", "", ...cells("td", row)))));
  return scroll(element, caption);
}

/** A box of its own for what may be wider than the page. */
function scroll(element, label) {
  const box = make("div", "scroll", element);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", label);
  return box;
}

function part(title, ...children) {
  return make("section", "part", make("h3", "", title), ...children);
}

/** A long text; a very long one is folded to its beginning. */
function passage(title, text) {
  const body = words("div", "passage", text);
  if (text.length <= 4000) return part(title, body);
  const fold = make("details", "", make("summary", "", `all ${text.length.toLocaleString("en")} characters`), body);
  return part(title, words("div", "passage", text.slice(0, 2000) + "…"), fold);
}

const mean = (scores) => scores.reduce((sum, score) => sum + score, 0) / scores.length;

/** Six scores and a comment of each speaker. */
function scores(caption, reviews, dimensions) {
  const row = (review) => [
    review.reviewer,
    ...review.scores.map(String),
    make("b", "", number(mean(review.scores))),
    review.comment === null ? make("i", "", "no comment was needed") : words("span", "comment", review.comment),
  ];
  return table(caption, ["Reviewer", ...dimensions, "mean", "Comment"], reviews.map(row));
}

function facts(pairs) {
  const list = make("dl", "facts");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(make("dt", "", name), words("dd", "", value));
  }
  return list;
}

function drawn(trail) {
  const roles = trail.candidate.roles;
  const section = part("Drawn", facts([
    ["domain", trail.candidate.domain],
    ["generator", roles.generator],
    ["reviewers", roles.reviewers.join(", ")],
    ["adjudicator", roles.adjudicator],
    ["summariser", roles.summariser],
  ]));
  if (trail.examples.length > 0) {
    const item = (example) => make("li", "",
      make("code", "", example.id), " ",
      words("span", "", example.instruction === null ? "" : shortened(example.instruction, 240)));
    section.append(make("h4", "", "Examples that the generator saw"),
      make("ul", "examples", ...trail.examples.map(item)));
  }
  return section;
}

function shortened(text, length) {
  const characters = Array.from(text);
  return characters.length <= length ? text : characters.slice(0, length).join("") + "…";
}

function bits(reviews) {
  const word = (bit) => make("span", bit ? "yes" : "no", bit ? "1 yes" : "0 no");
  const rows = reviews.map((review) => [review.reviewer, ...review.bits.map(word)]);
  return part("Instruction review", table("One 0 rejects", ["Reviewer", "reasonable", "complete", "clear"], rows));
}

function verdict(trail, dimensions) {
  const { candidate } = trail;
  const sections = [];
  if (candidate.response_reviews.length > 0) {
    sections.push(part("Response review", scores("Six scores from 1 to 10", candidate.response_reviews, dimensions)));
  }
  if (trail.committee_rule !== null) {
    sections.push(part("Rule that fired", make("p", "rule", trail.committee_rule)));
  }
  if (candidate.adjudication !== null) {
    sections.push(part("Adjudicator’s word",
      scores("Scores of the adjudicator", [candidate.adjudication], dimensions), make("p", "rule", trail.adjudicator_rule)));
  }
  if (trail.nearest !== null) {
    const { instruction } = trail.nearest;
    sections.push(part("Nearest neighbour", make("p", "rule", trail.nearest_rule),
      instruction === null ? null : words("p", "passage", shortened(instruction, 600))));
  }
  return sections;
}

function unreadable(replies) {
  const reason = (reply) => (typeof reply.reason === "string" ? reply.reason : JSON.stringify(reply.reason));
  const rows = replies.map((reply) => [reply.stage, String(reply.seat), String(reply.attempt), reason(reply)]);
  return part("Replies that could not be read", table("By stage", ["Stage", "seat", "attempt", "reason"], rows));
}

function unanswered(calls) {
  const rows = calls.map((call) => [call.stage, String(call.seat), String(call.attempt), call.failure]);
  return part("Calls that the engine could not answer", table("By stage", ["Stage", "seat", "attempt", "reason"], rows));
}

function call(entry) {
  const title = make("summary", "", make("b", "", entry.stage),
    ` seat ${entry.seat}, attempt ${entry.attempt}, by `, make("b", "", entry.model),
    ` · ${entry.prompt_tokens} + ${entry.reply_tokens} tokens`,
    entry.shared ? " · shared with an earlier variant" : "");
  const reply = entry.reply;
  if (reply === null) return make("details", "call", title, make("p", "", "The store has this reply no more."));
  return make("details", "call", title,
    facts([["reply", entry.key], ["answered by", reply.fingerprint.replaceAll(";", "; ")],
      ["drawn with", `temperature ${reply.temperature}, top_p ${reply.top_p}, seed ${reply.seed}`],
      ["ended by", reply.finish],
      ...(reply.thought_tokens > 0 ? [["thought", `about ${reply.thought_tokens} of its tokens`]] : [])]),
    make("h4", "", reply.failure !== null ? "No reply; the engine said" : "Raw reply"), words("pre", "raw", reply.text),
    reply.prompt === null ? null : make("details", "", make("summary", "", "Exact prompt"), words("pre", "raw", reply.prompt)));
}

/** The whole trail of a candidate. */
function tell(trail, dimensions) {
  const { candidate } = trail;
  const sections = [drawn(trail)];
  if (candidate.keywords.length > 0) {
    const written = candidate.emitted_domain;
    sections.push(part("Keywords", words("p", "", candidate.keywords.join(", ")),
      written === null || written === candidate.domain ? null : words("p", "hint", `Domain as written: ${written}`)));
  }
  if (candidate.instruction !== null) sections.push(passage("Instruction", candidate.instruction));
  if (candidate.instruction_reviews.length > 0) sections.push(bits(candidate.instruction_reviews));
  if (candidate.response !== null) sections.push(passage("Response", candidate.response));
  sections.push(...verdict(trail, dimensions));
  if (candidate.summary !== null) sections.push(part("Summary", words("p", "", candidate.summary)));
  if (candidate.malformed.length > 0) sections.push(unreadable(candidate.malformed));
  if (candidate.failed?.length > 0) sections.push(unanswered(candidate.failed));
  if (trail.calls.length > 0) sections.push(part(`Calls (${trail.calls.length})`, ...trail.calls.map(call)));
  return sections;
}
