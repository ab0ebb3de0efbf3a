// Rows and trails out of this file: data blocks of base64 over raw deflate, unpacked when they are needed.

async function unpack(element) {
  const letters = atob(element.textContent);
  const packed = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place += 1) packed[place] = letters.charCodeAt(place);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

class FileSource {
  constructor(about, index) {
    this.about = about;
    this.index = index;
    this.rows = [];
    this.unpacked = new Map();
    this.last = { question: null, found: [] };
  }

  add(rows) {
    for (const row of rows) {
      row.text = [row.id, row.instruction, row.response, row.keywords, row.generator].join("\n").toLowerCase();
      this.rows.push(row);
    }
    this.last.question = null;
  }

  find(query) {
    const from = query.from === "" ? null : Number(query.from);
    const to = query.to === "" ? null : Number(query.to);
    const fits = this.about.trials.map((trial) =>
      (query.variant === "" || trial.variant === query.variant) && (query.seed === "" || trial.seed === query.seed));
    return this.rows.filter((row) => fits[row.trial]
      && (query.domain === "" || row.domain === query.domain)
      && (query.outcome === "" || row.outcome === query.outcome)
      && (!query.disputed || row.disputed)
      && (from === null || (row.mu !== null && row.mu >= from))
      && (to === null || (row.mu !== null && row.mu <= to))
      && (query.q === "" || row.text.includes(query.q)));
  }

  /** Sorts by a column; what has no value comes last either way, and equals keep their order. */
  sort(rows, column, descending) {
    if (column === "id" && !descending) return rows;
    const key = column === "variant" ? (row) => this.about.trials[row.trial].variant : (row) => row[column];
    const sign = descending ? -1 : 1;
    return rows.sort((a, b) => {
      const [left, right] = [key(a), key(b)];
      if (left === null || right === null) return (left === null) - (right === null);
      return left < right ? -sign : left > right ? sign : 0;
    });
  }

  async page(query) {
    const { offset, limit, ...rest } = query;
    const question = JSON.stringify(rest);
    if (this.last.question !== question) {
      this.last = { question, found: this.sort(this.find(query), query.sort, query.descending) };
    }
    const found = this.last.found;
    return { total: found.length, of: this.rows.length, rows: found.slice(offset, offset + limit) };
  }

  /** A candidate's trail; `undefined` where the file has none. */
  async trail(row) {
    const key = `${row.trial}/${row.id}`;
    const block = this.index[key];
    if (block === undefined) return undefined;
    if (!this.unpacked.has(block)) this.unpacked.set(block, await unpack(document.getElementById(`trails-${block}`)));
    return this.unpacked.get(block)[key];
  }
}

/** The selector of run seeds above the tables. */
function chooseSeed() {
  const choice = document.getElementById("choose-seed");
  if (!choice) return;
  const apply = () => {
    for (const section of document.querySelectorAll("[data-seed]")) {
      section.hidden = choice.value !== "" && section.dataset.seed !== choice.value;
    }
  };
  choice.addEventListener("change", apply);
  apply();
}

async function start() {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const source = new FileSource(read("about"), read("trail-index"));
  chooseSeed();
  // The first paint goes first.
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  for (const element of document.querySelectorAll("script.rows")) source.add(await unpack(element));
  browse(source);
}

start().catch((error) => {
  document.getElementById("count").textContent = `The samples cannot be read: ${error.message}`;
});
