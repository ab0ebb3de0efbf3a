// The list of candidates: filters, order, pages, keys. Where rows and trails come from is the source's
// affair: `source.about`, `await source.page(query)`, `await source.trail(row)`.

const PAGE = 50;

/** Starts the list on a source. */
function browse(source) {
  const $ = (id) => document.getElementById(id);
  const form = $("filters");
  const body = $("list").tBodies[0];
  const dialog = $("trail");
  const state = { offset: 0, sort: "id", descending: false, total: 0, rows: [], open: -1, asked: 0 };

  function fill(name, values) {
    const select = form.elements.namedItem(name);
    for (const value of new Set(values)) select.append(new Option(value, value));
    select.closest("label").hidden = new Set(values).size < 2;
  }

  function query(offset = state.offset) {
    const value = (name) => form.elements.namedItem(name).value.trim();
    return {
      q: value("q").toLowerCase(), variant: value("variant"), seed: value("seed"),
      domain: value("domain"), outcome: value("outcome"), from: value("from"), to: value("to"),
      disputed: form.elements.namedItem("disputed").checked,
      sort: state.sort, descending: state.descending, offset, limit: PAGE,
    };
  }

  function line(row, place) {
    const trial = source.about.trials[row.trial];
    const several = new Set(source.about.trials.map((other) => other.seed)).size > 1;
    const open = make("button", "open", row.id);
    open.type = "button";
    const outcome = make("td", "", chip(row.outcome));
    if (row.disputed) outcome.append(" ", make("span", "chip disputed", "disputed"));
    const element = make("tr", "",
      make("th", "", open),
      make("td", "", several ? `${trial.variant} · ${trial.seed}` : trial.variant),
      make("td", "", row.domain), outcome,
      make("td", "number", number(row.mu)), make("td", "number", number(row.sigma)),
      make("td", "text", words("div", "clamp", row.instruction)));
    element.cells[0].scope = "row";
    element.addEventListener("click", () => show(place));
    return element;
  }

  /** Asks for the page and shows it, unless a later question overtook this one. */
  async function refresh() {
    const asked = ++state.asked;
    let page;
    try {
      page = await source.page(query());
    } catch (error) {
      $("count").textContent = `The samples cannot be read: ${error.message}`;
      return;
    }
    if (asked !== state.asked) return;
    state.total = page.total;
    state.rows = page.rows;
    body.replaceChildren(...page.rows.map(line));
    const of = page.of.toLocaleString("en");
    const clip = source.about.clip;
    const seen = query().q && clip ? ` The search sees the first ${clip} characters of each text.` : "";
    $("count").textContent = page.total === page.of
      ? `${of} candidates.` : `${page.total.toLocaleString("en")} of ${of} candidates.${seen}`;
    const last = Math.min(state.offset + PAGE, page.total);
    $("where").textContent = page.total === 0 ? "nothing matches"
      : `${(state.offset + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${page.total.toLocaleString("en")}`;
    $("previous").disabled = state.offset === 0;
    $("next").disabled = last >= page.total;
    for (const button of document.querySelectorAll("#list [data-sort]")) {
      const sorted = button.dataset.sort === state.sort;
      button.closest("th").setAttribute("aria-sort", !sorted ? "none" : state.descending ? "descending" : "ascending");
    }
  }

  async function turn(pages) {
    const offset = state.offset + pages * PAGE;
    if (offset < 0 || (pages > 0 && offset >= state.total)) return false;
    state.offset = offset;
    await refresh();
    return true;
  }

  async function show(place) {
    const row = state.rows[place];
    if (!row) return;
    state.open = place;
    const name = `${source.about.trials[row.trial].name} ${row.id}`;
    const heading = $("trail-title");
    heading.replaceChildren(make("span", "path", name), " ", chip(row.outcome));
    $("trail-body").replaceChildren(make("p", "hint", "Loading."));
    if (!dialog.open) dialog.showModal();
    heading.focus();
    let trail;
    try {
      trail = await source.trail(row);
    } catch (error) {
      trail = null;
      $("trail-body").replaceChildren(make("p", "warning", `The trail cannot be read: ${error.message}`));
    }
    if (state.open !== place || trail === null) return;
    const told = trail ? tell(trail, source.about.dimensions) : outline(row, name);
    $("trail-body").replaceChildren(...told);
    $("trail-body").scrollTop = 0;
    history.replaceState(null, "", "#" + encodeURIComponent(`${source.about.trials[row.trial].name}/${row.id}`));
  }

  /** What the row alone can say. */
  function outline(row, name) {
    return [
      make("p", "warning", "This file leaves this trail to the store, to stay small: ",
        make("code", "", `gra-bench inspect ${name}`), " or ", make("code", "", "gra-bench view"), " shows it."),
      facts([["domain", row.domain], ["generator", row.generator], ["keywords", row.keywords],
        ["μ", number(row.mu, 4)], ["σ", number(row.sigma, 4)]]),
      passage("Instruction", row.instruction), passage("Response", row.response),
    ];
  }

  async function step(by) {
    let place = state.open + by;
    if (place < 0 || place >= state.rows.length) {
      if (!(await turn(by))) return;
      place = by > 0 ? 0 : state.rows.length - 1;
    }
    await show(place);
  }

  function focusLine(place) {
    const open = body.rows[place]?.querySelector("button");
    open?.focus();
  }

  let typing = 0;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { state.offset = 0; refresh(); }, 40);
  });
  form.addEventListener("reset", () => setTimeout(() => { state.offset = 0; refresh(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("#list [data-sort]")) {
    button.addEventListener("click", () => {
      const again = state.sort === button.dataset.sort;
      state.descending = again ? !state.descending : ["mu", "sigma"].includes(button.dataset.sort);
      state.sort = button.dataset.sort;
      state.offset = 0;
      refresh();
    });
  }
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("trail-previous").addEventListener("click", () => step(-1));
  $("trail-next").addEventListener("click", () => step(1));
  $("trail-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    focusLine(state.open);
    state.open = -1;
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest?.("input:not([type=checkbox]), select");
    if (dialog.open) {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
      return;
    }
    if (event.key === "/" && !field) {
      event.preventDefault();
      form.elements.namedItem("q").focus();
    } else if (event.key === "Escape" && field?.name === "q") {
      field.blur();
    } else if ((event.key === "ArrowDown" || event.key === "Enter") && field?.name === "q") {
      event.preventDefault();
      clearTimeout(typing);
      refresh().then(() => focusLine(0));
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const line = event.target.closest?.("#list tbody tr");
      if (!line) return;
      event.preventDefault();
      focusLine(line.sectionRowIndex + (event.key === "ArrowDown" ? 1 : -1));
    }
  });

  /** Opens the trail that the address names, by a search for its id. */
  async function follow() {
    const name = decodeURIComponent(location.hash.slice(1));
    const cut = name.lastIndexOf("/");
    const trial = source.about.trials.find((other) => other.name === name.slice(0, cut));
    if (!trial) return;
    form.elements.namedItem("q").value = name.slice(cut + 1);
    form.elements.namedItem("variant").value = trial.variant;
    form.elements.namedItem("seed").value = trial.seed;
    await refresh();
    show(state.rows.findIndex((row) => row.id === name.slice(cut + 1)));
  }

  fill("variant", source.about.trials.map((trial) => trial.variant));
  fill("seed", source.about.trials.map((trial) => trial.seed));
  fill("domain", source.about.domains);
  fill("outcome", source.about.outcomes);
  window.addEventListener("hashchange", follow);
  refresh().then(follow);
  return refresh;
}
