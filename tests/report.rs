//! `report` and `view`: what they write and refuse, and how their page behaves in a real browser.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::chromium::{Chromium, DOWN, ENTER, ESCAPE, RIGHT, UP};
use crate::synthetic::Synthetic;
use crate::workbench::Workbench;

/// Texts that would run, break out of their place, or run over.
const HOSTILE: [&str; 6] = [
    "<script>window.ran = 1; alert(1)</script>",
    "</script><img src=x onerror=\"window.ran = 1\">",
    "]]> <!-- --!> </textarea></title> \u{2028} & &lt; {{7*7}}",
    "اكتب قصيدة عن البحر",
    "海の潮について八歳の子供に説明してください。",
    "\u{202e}override\u{0007} \u{1f30a}",
];

fn texts(number: u32) -> (String, String) {
    let hostile = HOSTILE[number as usize % HOSTILE.len()];
    if number == 7 {
        return ("An endless one. ".to_owned() + &"word ".repeat(6_000), "x".repeat(30_000));
    }
    (format!("Instruction {number}: {hostile}"), format!("Response {number}: {hostile}"))
}

const TRIAL: Synthetic = Synthetic {
    experiment: "small",
    variant: "gra",
    seed: 42,
    candidates: 120,
    finished: true,
    texts,
};

fn bench(trials: &[Synthetic]) -> Workbench {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    for trial in trials {
        trial.write(&bench.path("results/store.db"));
    }
    bench
}

/// The page that a command wrote.
fn page(bench: &Workbench, arguments: &[&str]) -> String {
    let transcript = bench.transcript(arguments);
    assert!(transcript.ends_with("exit code 0"), "{transcript}");
    let path = transcript.lines().next().unwrap();
    std::fs::read_to_string(bench.path(path)).unwrap()
}

#[test]
fn a_report_is_one_file_with_the_same_bytes_every_time() {
    let unreviewed = Synthetic { variant: "no-reviewer", ..TRIAL };
    let other = Synthetic { seed: 43, ..TRIAL };
    let bench = bench(&[TRIAL, unreviewed, other]);
    let html = page(&bench, &["report", "small"]);
    assert_eq!(html, page(&bench, &["report", "small/"]));
    assert!(bench.path("results/small/report.html").exists());
    for outside in ["http://", "https://", "src=\"/", "@import", "url(\"", "url(h"] {
        let ours = html
            .replace("http://www.w3.org/2000/svg", "")
            .replace("http://www.w3.org/1999/xlink", "");
        assert!(!ours.contains(outside), "the page asks for {outside}");
    }
    assert!(!html.contains("not finished"));
    // Candidates to read stand before the tables, and what others wrote is text there.
    let cards = &html[html.find("id=\"examples\"").unwrap()..html.find("id=\"tables\"").unwrap()];
    for kind in ["accepted", "disputed", "rejected"] {
        assert!(cards.contains(&format!("<span class=\"chip {kind}\">")), "{kind}: {cards}");
    }
    assert!(cards.contains("Instruction ") && !cards.contains("<script>"), "{cards}");
    assert!(html.contains("Six scores from 1 to 10"));
    assert!(html.contains("<option value=\"43\">"));
    assert!(html.contains("no-reviewer"));

    let one_seed = page(&bench, &["report", "small", "--seed", "43", "--out", "one.html"]);
    assert!(!one_seed.contains("no-reviewer") && !one_seed.contains("id=\"choose-seed\""));
    let one_trial = page(&bench, &["report", "small/gra/seed-42"]);
    assert!(one_trial.contains("<h1>small/gra/seed-42</h1>"));
    assert!(bench.path("results/small/gra/seed-42.report.html").exists());
}

#[test]
fn a_comparison_is_told_with_its_experiment() {
    let bench = bench(&[TRIAL]);
    assert!(!page(&bench, &["report", "small"]).contains("Data sets compared"));
    let folder = "results/small/seed-42.compare";
    std::fs::create_dir_all(bench.path(folder)).unwrap();
    bench.write(
        &format!("{folder}/stats.csv"),
        "group,measure,data_set,value,low,high,n,absent\n\
         quality,\"mu, mean\",gra,4.3153,3.694,5.241,6,\n\
         quality,\"mu, mean\",72,,,,,no committee scored it\n\
         text,\"samples <b>\",gra,12,,,6,\ntext,\"samples <b>\",72,1200,,,6,\n\
         quality,\"mu, median\",gra,4,,,6,\nquality,\"mu, median\",72,,,,,no committee scored it\n",
    );
    bench.write(&format!("{folder}/words.txt"), "72 against gra: lower by <1.\n");
    let html = page(&bench, &["report", "small"]);
    let section = &html[html.find("<h2 id=\"compared-title\"").unwrap()..];
    let section = &section[..section.find("</section>").unwrap()];
    for part in [
        "72 against gra: lower by &lt;1.",
        "3.694 to 5.241",
        ">4.315<",
        "no committee scored it",
        "samples &lt;b&gt;",
        ">1200<",
        "<th scope=\"col\" class=\"number\">72</th>",
    ] {
        assert!(section.contains(part), "{part} is not in {section}");
    }
    assert_eq!(section.matches("<details>").count(), 2, "one table for each group");
    let trial = page(&bench, &["report", "small/gra/seed-42"]);
    assert!(!trial.contains("Data sets compared"), "a trial is not compared by itself");
}

#[test]
fn models_that_were_trained_and_scored_have_a_table() {
    let bench = bench(&[TRIAL]);
    assert!(!page(&bench, &["report", "small"]).contains("Models trained on such data"));
    bench.write(
        "results/benchmarks.csv",
        "base_model,seed_dataset,data_source,iteration,benchmark,score,scale,n,training_seed,protocol\n\
         tiny,seeds,gra,1,gsm8k,12.5,percent,8,0,opencompass-smoke\n\
         tiny,seeds,gra,1,gsm8k,37.5,percent,8,1,opencompass-smoke\n\
         <i>,seeds,vanilla,,mmlu,50,percent,4,0,opencompass-smoke\n\
         tiny,seeds,no-such-variant,,mmlu,51,percent,4,0,opencompass-smoke\n\
         tiny,others,gra,1,mmlu,52,percent,4,0,opencompass-smoke\n\
         qwen2.5-7b,alpaca,gra,3,gsm8k,80,percent,1000,0,\n",
    );
    let html = page(&bench, &["report", "small"]);
    let section = &html[html.find("<h2 id=\"trained-title\"").unwrap()..];
    let section = &section[..section.find("</section>").unwrap()];
    for part in [
        "gra, round 1 (seeds)</td><td>opencompass-smoke</td><td class=\"number\">2</td><td class=\"number\">25.00</td>",
        "&lt;i&gt;</th><td>vanilla (seeds)",
        "3 models were trained on other data",
    ] {
        assert!(section.contains(part), "{part} is not in {section}");
    }
    for part in ["51.00", "52.00", "80.00"] {
        assert!(!section.contains(part), "{part} is of other data: {section}");
    }
}

#[test]
fn what_is_not_finished_says_so_at_the_top() {
    let bench = bench(&[Synthetic { finished: false, ..TRIAL }]);
    let html = page(&bench, &["report", "small"]);
    let warning = html.find("Trial small/gra/seed-42 is not finished: 1 of 5 rounds").unwrap();
    assert!(warning < html.find("What came out").unwrap());
}

#[test]
fn a_trial_without_candidates_is_reported() {
    let bench = bench(&[Synthetic { candidates: 0, finished: false, ..TRIAL }]);
    let html = page(&bench, &["report", "small"]);
    assert!(
        html.contains("no round is on record yet") && html.contains("no candidate was decided")
    );
}

#[test]
fn what_cannot_be_reported_is_named() {
    let bench = bench(&[TRIAL]);
    let newer = bench.path("newer.db");
    std::fs::copy(bench.path("results/store.db"), &newer).unwrap();
    let db = rusqlite::Connection::open(&newer).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    bench.write("text.db", "no store");
    bench.write("empty.db", "");
    let cases: [&[&str]; 8] = [
        &["report", "tiny"],
        &["report", "small/gra/seed-7"],
        &["report", "small/gra"],
        &["report", "small", "--seed", "7"],
        &["report", "small", "--store", "newer.db"],
        &["view", "small", "--store", "newer.db"],
        &["report", "small", "--store", "empty.db"],
        &["report", "small", "--store", "nowhere.db"],
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|arguments| format!("$ {}\n{}", arguments.join(" "), bench.transcript(arguments)))
        .collect();
    insta::assert_snapshot!("report-errors", said.join("\n\n"));
    let text = bench.transcript(&["report", "small", "--store", "text.db"]);
    assert!(text.contains("text.db is no store"), "{text}");
}

/// Rows of the list on a page.
const ROWS: &str = "document.querySelectorAll('#list tbody tr').length";
const COUNT: &str = "document.getElementById('count').textContent";

fn looks_right(browser: &Chromium) {
    browser.wait(&format!("{ROWS} === 50"));
    assert_eq!(browser.text(COUNT), "120 candidates.");

    // Search, with the keyboard.
    browser.press("/");
    assert_eq!(browser.text("document.activeElement.name"), "q");
    browser.press("Instruction 17:");
    browser.wait(&format!("{ROWS} === 1"));
    assert_eq!(browser.text(COUNT).split(" candidates").next(), Some("1 of 120"));
    browser.press(ENTER);
    browser.wait("document.activeElement.textContent === 'r1-00017'");

    // The trail of it, and out again.
    browser.press(ENTER);
    browser.wait("document.querySelector('#trail-body .part')");
    assert!(
        browser.text("document.getElementById('trail-title').textContent").contains("r1-00017")
    );
    let trail = browser.text("document.getElementById('trail-body').textContent");
    for part in ["Drawn", "Seed instruction", "Instruction", "Calls ("] {
        assert!(trail.contains(part), "{part}: {trail}");
    }
    browser.press(ESCAPE);
    browser.wait("!document.getElementById('trail').open");
    browser.wait("document.activeElement.textContent === 'r1-00017'");

    // Filters.
    browser.value("document.querySelector('#filters [type=reset]').click()");
    browser.wait(&format!("{ROWS} === 50"));
    browser.value("document.querySelector('[name=disputed]').click()");
    browser.wait(&format!("{COUNT}.includes(' of 120')"));
    let disputed = browser.value(ROWS);
    assert!(disputed.as_u64().is_some_and(|rows| rows > 0 && rows < 50), "{disputed}");
    let marked = "document.querySelectorAll('#list .chip.disputed').length";
    assert_eq!(browser.value(marked), disputed);

    // A disputed one tells its scores, its rule and the adjudicator's word.
    browser.value("document.querySelector('#list .open').focus()");
    browser.press(&format!("{DOWN}{UP}{ENTER}"));
    browser.wait("document.querySelector('#trail-body .part')");
    let trail = browser.text("document.getElementById('trail-body').textContent");
    for part in
        ["correctness", "and sigma > delta 1.5: disputed", "s_A", "Adjudicator’s word", "Raw reply"]
    {
        assert!(trail.contains(part), "{part}: {trail}");
    }
    let first = browser.text("document.getElementById('trail-title').textContent");
    browser.press(RIGHT);
    browser
        .wait(&format!("document.getElementById('trail-title').textContent !== {}", json!(first)));
    browser.press(ESCAPE);

    // Order: the largest mean first.
    browser.value("document.querySelector('#filters [type=reset]').click()");
    browser.value("document.querySelector('[data-sort=mu]').click()");
    browser
        .wait("document.querySelector('[data-sort=mu]').closest('th').ariaSort === 'descending'");
    let means = "[...document.querySelectorAll('#list tbody tr')].map((row) => parseFloat(row.cells[4].textContent))";
    let ordered = format!("{means}.every((mean, n, all) => n === 0 || all[n - 1] >= mean)");
    browser.wait(&ordered);
}

/// Nothing that a model wrote runs or becomes an element.
fn hostile_texts_are_texts(browser: &Chromium) {
    browser.value("document.querySelector('#filters [type=reset]').click()");
    for (number, text) in HOSTILE.iter().enumerate() {
        browser.value(&format!(
            "(() => {{ const q = document.querySelector('[name=q]'); q.value = 'r1-{number:05}'; \
             q.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        ));
        browser.wait(&format!(
            "document.querySelector('#list .open')?.textContent === 'r1-{number:05}' && {ROWS} === 1"
        ));
        // What would turn the text around or stay unseen is spelt out.
        let seen = text.replace('\u{202e}', "\\u{202e}").replace('\u{7}', "\\u{7}");
        let instruction = format!("Instruction {number}: {seen}");
        let shown = browser.text("document.querySelector('#list .clamp').textContent");
        assert_eq!(shown, instruction);
        browser.value("document.querySelector('#list .open').click()");
        browser.wait("document.querySelector('#trail-body .passage')");
        let passages = "[...document.querySelectorAll('#trail-body .passage, #trail-body .raw')]\
                        .map((passage) => passage.textContent)";
        let told = browser.value(passages).to_string();
        assert!(told.contains(&json!(instruction).to_string()), "{told}");
        browser.value("document.getElementById('trail').close()");
    }
    assert!(browser.value("window.ran ?? null").is_null());
    assert_eq!(browser.value("document.querySelectorAll('[onerror], main img').length"), 0);
}

#[test]
fn the_report_works_in_a_browser_from_a_file() {
    let Some(browser) = Chromium::start() else { return };
    let bench = bench(&[TRIAL]);
    page(&bench, &["report", "small"]);
    browser.open_file(&bench.path("results/small/report.html"));
    looks_right(&browser);
    hostile_texts_are_texts(&browser);
    assert_eq!(browser.errors(), Vec::<String>::new());

    // An address with a trail opens it, on a fresh page and on this one.
    let path = bench.path("results/small/report.html");
    let address = |id: &str| format!("file://{}#small%2Fgra%2Fseed-42%2F{id}", path.display());
    let title = "document.getElementById('trail-title').textContent";
    browser.open("about:blank");
    for id in ["r1-00007", "r1-00003"] {
        browser.open(&address(id));
        browser.wait(&format!(
            "document.querySelector('#trail-body .part') && {title}.includes('{id}')"
        ));
    }
    assert_eq!(browser.errors(), Vec::<String>::new());
}

/// A server of `view`; it ends with this.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(bench: &Workbench, arguments: &[&str]) -> Self {
        let mut command: Command = bench.command(arguments);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap();
        Self { process, address: address.to_owned() }
    }

    /// Status line, headers and body of an answer.
    fn ask(&self, method: &str, path: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_server_reads_for_this_machine_alone() {
    let bench = bench(&[TRIAL]);
    let server = Server::start(&bench, &["view", "small"]);
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    let here = server.address.clone();
    let cases = [
        ("GET", "/", here.as_str(), "200"),
        ("HEAD", "/", &here, "200"),
        ("GET", "/api/candidates?limit=5&q=tides", &here, "200"),
        ("GET", "/api/trail?trial=0&id=r1-00003", &here, "200"),
        ("GET", "/api/trail?trial=0&id=r1-99999", &here, "404"),
        ("GET", "/api/trail?trial=7&id=r1-00003", &here, "404"),
        ("GET", "/api/trail?trial=0&id=..%2F..", &here, "404"),
        ("GET", "/api/candidates?from=high", &here, "400"),
        ("GET", "/api/candidates?offset=-1", &here, "400"),
        ("GET", "/store.db", &here, "404"),
        ("POST", "/api/candidates", &here, "405"),
        ("DELETE", "/api/trail?trial=0&id=r1-00003", &here, "405"),
        ("GET", "/", "rebound.example", "403"),
    ];
    for (method, path, host, status) in cases {
        let answer = server.ask(method, path, host);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path} {host}: {answer}"
        );
        let lower = answer.to_ascii_lowercase();
        for header in
            ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"]
        {
            assert!(lower.contains(header), "{method} {path} lacks {header}");
        }
    }
    let wide = bench.transcript(&["view", "small", "--host", "everywhere"]);
    assert!(wide.contains("exit code 2"), "{wide}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_server_cleanly() {
    let bench = bench(&[TRIAL]);
    let mut server = Server::start(&bench, &["view"]);
    let pid = server.process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

#[test]
fn the_view_works_in_a_browser() {
    let Some(browser) = Chromium::start() else { return };
    let bench = bench(&[TRIAL]);
    let server = Server::start(&bench, &["view", "small"]);
    browser.open(&format!("http://{}/", server.address));
    looks_right(&browser);
    hostile_texts_are_texts(&browser);
    let trail = "fetch('/api/trail?trial=0&id=r1-00007').then((answer) => answer.json())";
    assert!(
        browser.value(trail).to_string().contains("You do the response."),
        "prompts are served"
    );
    assert_eq!(browser.errors(), Vec::<String>::new());
}

/// Texts as long as those of instruction data, out of a thousand words.
fn long_texts(number: u32) -> (String, String) {
    let mut state = u64::from(number) + 1;
    let mut text = |words: usize| {
        let mut text = String::new();
        for _ in 0..words {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Small numbers come up more often, as common words do.
            let rank = ((state >> 33) % 1000) * ((state >> 43) % 1000) / 1000;
            let _ = write!(text, "w{:x}d{} ", rank * 7919 % 65_521, rank % 7);
        }
        text
    };
    (text(40), text(180))
}

/// Report and view of 50,000 candidates: prints what they take.
#[test]
#[ignore = "takes a minute or two, and measures"]
fn fifty_thousand() {
    let Some(browser) = Chromium::start() else { return };
    let started = Instant::now();
    let large = Synthetic { candidates: 50_000, texts: long_texts, ..TRIAL };
    let bench = bench(&[large]);
    println!("store written in {:.1} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let html = page(&bench, &["report", "small"]);
    println!("report in {:.1} s, {} bytes", started.elapsed().as_secs_f64(), html.len());
    assert!(html.len() < 15_000_000);

    browser.open_file(&bench.path("results/small/report.html"));
    browser.wait(&format!("{COUNT} === '50,000 candidates.'"));
    let paint = browser
        .value("performance.getEntriesByType('paint').map((entry) => Math.round(entry.startTime))");
    println!(
        "paint, first content {paint} ms; list filled {} ms",
        browser.value("Math.round(performance.now())")
    );
    let search = "(async () => { const took = []; \
        for (const word of ['w1eefd1', 'w3d', 'w0d0 w', 'nowhere', 'r1-04999']) { \
            const q = document.querySelector('[name=q]'); const count = document.getElementById('count'); \
            const start = performance.now(); q.value = word; \
            const changed = new Promise((done) => new MutationObserver(done).observe(count, { childList: true })); \
            q.dispatchEvent(new Event('input', { bubbles: true })); await changed; \
            took.push(`${word}: ${Math.round(performance.now() - start)}`); } return took; })()";
    println!("search, from key to list, ms: {}", browser.value(search));
    browser.value("document.querySelector('#filters [type=reset]').click()");
    let sort = "(async () => { const start = performance.now(); \
        document.querySelector('[data-sort=mu]').click(); await new Promise((done) => setTimeout(done)); \
        return Math.round(performance.now() - start); })()";
    println!("sort, ms: {}", browser.value(sort));

    let started = Instant::now();
    let server = Server::start(&bench, &["view", "small"]);
    println!("view ready in {:.1} s", started.elapsed().as_secs_f64());
    for path in [
        "/api/candidates?limit=50&offset=0",
        "/api/candidates?limit=50&offset=40000&sort=mu&descending=true",
        "/api/candidates?limit=50&q=w1eefd1",
        "/api/candidates?limit=50&q=nowhere",
        "/api/candidates?limit=50&disputed=true&outcome=accepted&from=8.5",
        "/api/trail?trial=0&id=r1-40000",
    ] {
        let started = Instant::now();
        let answer = server.ask("GET", path, &server.address);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        println!("{:.1} ms  {path}", started.elapsed().as_secs_f64() * 1e3);
    }
}
