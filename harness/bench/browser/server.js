// Rows and trails from the server that served this page; it only ever reads.

async function ask(path, parameters) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
  return answer.json();
}

async function start() {
  const about = await ask("/api/about", {});
  browse({
    about,
    page: (query) => ask("/api/candidates", query),
    trail: (row) => ask("/api/trail", { trial: row.trial, id: row.id }),
  });
}

start().catch((error) => {
  document.getElementById("count").textContent = `The samples cannot be read: ${error.message}`;
});
