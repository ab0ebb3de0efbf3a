#!/usr/bin/env python3
"""Speed and results of our evidence beside the usual packages, in one run. See bench-evidence.

Everyone gets the same vectors and two threads, and runs in a process of its own; what is timed is the work, not
imports and files. Rounds are interleaved: in each, every contestant has its turn.

    dedup   50,000 x 384 in falling order of score, cosine limit 0.9. FAISS (IndexFlatIP) searches the nearest
            of the rows that were kept before, in blocks of 4,096, and is spared the comparisons within a
            block. NumPy decides in float64; the kept sets and the twins must be the same.
    vendi   the Vendi score of the same vectors; the reference is vendi-score's score_dual in float64.
    tsne    10,000 of them: perplexity 30, exact neighbours, exaggeration 12 for 250 iterations, 750 more, learning
            rate n / 12 (a quarter of that where the gradient has its factor 4), PCA initialisation,
            momentum 0.5 and 0.8. openTSNE by its default for this size (fft), and by the method that
            ours uses (bh). The divergence of every map is computed here, exactly, from the same P.
    embed   all-MiniLM-L6-v2 beside sentence-transformers (batches of 32, as it does by default): the
            instructions of a seed set, and texts with accents, capitals, Chinese, Korean and signs. Only when
            it is asked for, as its packages take 6 GB.

The vectors are synthetic: 500 directions; around each, unit vectors with a cosine of about 0.74 to it; and 15 in 100
rows are an earlier row moved a little, to a cosine between 0.85 and 0.9998.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DIM = 384
LIMIT = 0.9
THREADS = "2"
BLOCK = 4096
MEASURES = ["dedup", "vendi", "tsne", "embed"]
# Name: floor, and whether it is a least or a most.
FLOORS = {
    "dedup: FAISS's time / ours": (0.9, "least"),
    "dedup: kept and twins as NumPy's": (1.0, "least"),
    "vendi: off by": (1e-6, "most"),
    "tsne: openTSNE's time (fft) / ours": (1.0, "least"),
    "tsne: openTSNE's time (bh) / ours": (1.0, "least"),
    "tsne: scikit-learn's time / ours": (4.0, "least"),
    "tsne: our divergence / openTSNE's (fft)": (1.02, "most"),
    "embed: sentence-transformers' time / ours": (1.0, "least"),
    "embed: least cosine": (0.9999, "least"),
}
# What tokenizers disagree on: capitals, accents, scripts, and signs that touch words.
ODD_TEXTS = [
    "",
    "A",
    "ÜBER die Straße: ÉTÉ, naïve façade, Ångström, İstanbul.",
    "e\u0301 is é; ﬁne ﬂuff; ½ of ２３",
    "翻译这个句子：今天天气很好。日本語のテキスト",
    "한국어 문장을 영어로 번역하세요.",
    "Ελληνικά, русский ТЕКСТ, עברית, العربية, हिन्दी",
    "f(x)=x**2+3*x-1;y[0]!=None&&z||w #tag @user http://a.b/c?d=e&f=g",
    "don't can't y'all're ... --- \"quoted\" (nested [brackets] {braces})",
    "🦙🚀 emoji\u200dsign \u00a0 spaces\t\n\r\x00 control",
    "long " * 500,
]


def main():
    if sys.argv[1:2] == ["peer"]:
        return peer(*sys.argv[2:])
    about, _, form = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=form, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", type=Path, required=True, help="folder of our example programs")
    parser.add_argument("--only", choices=MEASURES, help="measure this one")
    parser.add_argument("--runs", type=int, default=3, help="rounds (3)")
    parser.add_argument("--rows", type=int, default=50_000, help="vectors to deduplicate (50000)")
    parser.add_argument("--points", type=int, default=10_000, help="points of the map (10000)")
    parser.add_argument(
        "--texts", type=Path, default=Path("experiments/seeds/starter.jsonl"),
        help="seed set, JSON or JSONL, whose instructions are embedded (the starter set)",
    )
    parser.add_argument("--encoder", type=Path, help="embed: our GGUF")
    parser.add_argument("--published", type=Path, help="embed: the folder that sentence-transformers loads")
    parser.add_argument("--json", type=Path, help="also write the measures there")
    options = parser.parse_args()
    measures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-evidence.") as scratch:
        bench = Bench(options, Path(scratch), measures)
        for name in [options.only] if options.only else MEASURES[:3]:
            getattr(bench, name)()
    report(measures)
    if options.json:
        options.json.write_text(json.dumps(measures, indent=2) + "\n")


def report(measures):
    print(f"{'measure':<42} {'median':>12} {'min':>12} {'max':>12}   floor")
    for name, values in measures.items():
        numbers = [statistics.median(values), min(values), max(values)]
        row = " ".join(f"{number:>12.5g}" for number in numbers)
        floor = ""
        if name in FLOORS:
            bound, kind = FLOORS[name]
            met = numbers[0] >= bound if kind == "least" else numbers[0] <= bound
            floor = f"at {kind} {bound:g}: {'met' if met else 'MISSED'}"
        print(f"{name:<42} {row}   {floor}")


class Bench:
    def __init__(self, options, scratch, measures):
        self.options, self.scratch, self.measures = options, scratch, measures
        self.vectors = scratch / "vectors.f32"
        if options.only != "embed":
            say(f"making {options.rows} vectors")
            make_vectors(self.vectors, options.rows)

    def note(self, name, value):
        self.measures.setdefault(name, []).append(value)

    def ours(self, program, *arguments):
        command = [str(self.options.ours / program), *map(str, arguments)]
        return [float(word) for word in run(command).split()]

    def peer(self, name, *arguments):
        return [float(word) for word in run([sys.executable, __file__, "peer", name, *map(str, arguments)]).split()]

    def dedup(self):
        import numpy as np

        expected, ours = self.scratch / "numpy.npz", self.scratch / "ours.csv"
        say("dedup: NumPy in float64")
        [seconds] = self.peer("numpy", self.vectors, expected)
        self.note("dedup: NumPy's seconds", seconds)
        for _ in range(self.options.runs):
            [our_time] = self.ours("dedup", self.vectors, DIM, LIMIT, ours)
            [faiss_time] = self.peer("faiss", self.vectors, expected)
            say(f"dedup: ours {our_time:.2f} s, FAISS {faiss_time:.2f} s")
            self.note("dedup: our seconds", our_time)
            self.note("dedup: FAISS's seconds", faiss_time)
            self.note("dedup: FAISS's time / ours", faiss_time / our_time)
            found = np.genfromtxt(ours, delimiter=",", skip_header=1)
            theirs = np.load(expected)
            same = np.array_equal(found[:, 1], theirs["kept"][1:])
            same &= np.array_equal(found[:, 2], theirs["twin"][1:])
            same &= bool(np.abs(found[:, 3] - theirs["cosine"][1:]).max() < 1e-12)
            self.note("dedup: kept and twins as NumPy's", float(same))
        self.note("dedup: kept", float(theirs["kept"].sum()))

    def vendi(self):
        for _ in range(self.options.runs):
            score, our_time = self.ours("evidence", "vendi", self.vectors, DIM)
            expected, peer_time = self.peer("vendi", self.vectors)
            say(f"vendi: ours {score:.9f}, vendi-score {expected:.9f}")
            self.note("vendi: off by", abs(score - expected))
            self.note("vendi: vendi-score's time / ours", peer_time / our_time)

    def tsne(self):
        import numpy as np
        from openTSNE.affinity import PerplexityBasedNN

        data = np.fromfile(self.vectors, "<f4").reshape(-1, DIM)[: self.options.points]
        points = self.scratch / "points.f32"
        data.tofile(points)
        p = PerplexityBasedNN(data, perplexity=30, method="exact", n_jobs=2).P.tocoo()
        for _ in range(self.options.runs):
            times, divergences = {}, {}
            for name in ["ours", "openTSNE's (fft)", "openTSNE's (bh)", "scikit-learn's"]:
                out = self.scratch / "map.f64"
                if name == "ours":
                    _, times[name] = self.ours("evidence", "tsne", points, DIM, out)
                else:
                    [times[name]] = self.peer(name, points, out)
                divergences[name] = divergence(p, np.fromfile(out, "<f8").reshape(-1, 2))
                say(f"tsne: {name}: {times[name]:.1f} s, divergence {divergences[name]:.4f}")
            for name, seconds in times.items():
                self.note(f"tsne: {name}, seconds", seconds)
                self.note(f"tsne: {name}, divergence", divergences[name])
            for name, method in [("openTSNE's", " (fft)"), ("openTSNE's", " (bh)"), ("scikit-learn's", "")]:
                other = name + method
                self.note(f"tsne: {name} time{method} / ours", times[other] / times["ours"])
                self.note(f"tsne: our divergence / {other}", divergences["ours"] / divergences[other])

    def embed(self):
        import numpy as np

        instructions = read_instructions(self.options.texts)
        # A few thousand, so that seconds are measured; no text is remembered.
        times = -(-2000 // len(instructions))
        texts = self.scratch / "texts.json"
        texts.write_text(json.dumps(ODD_TEXTS + instructions * times))
        ours, theirs = self.scratch / "ours.f32", self.scratch / "theirs.f32"
        for _ in range(self.options.runs):
            [our_time] = self.ours("embed", self.options.encoder, texts, THREADS, ours)
            [their_time] = self.peer("sentence-transformers", texts, theirs, self.options.published)
            say(f"embed: ours {our_time:.2f} s, sentence-transformers {their_time:.2f} s")
            self.note("embed: our seconds", our_time)
            self.note("embed: sentence-transformers' seconds", their_time)
            self.note("embed: sentence-transformers' time / ours", their_time / our_time)
            a, b = (np.fromfile(path, "<f4").reshape(-1, DIM).astype(float) for path in [ours, theirs])
            cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            self.note("embed: least cosine", float(cosines.min()))


def read_instructions(path):
    """Instructions with their inputs, of an Alpaca file or a JSONL file of the same fields."""
    text = path.read_text()
    lines = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    return ["\n\n".join(filter(None, [line["instruction"], line.get("input")])) for line in lines]


def divergence(p, y):
    """KL(P || Q) over all pairs, in nats."""
    import numpy as np

    total = -len(y)
    for start in range(0, len(y), 1000):
        gaps = y[start : start + 1000, None] - y[None]
        total += (1 / (1 + (gaps**2).sum(-1))).sum()
    q = 1 / (1 + ((y[p.row] - y[p.col]) ** 2).sum(1)) / total
    shares = p.data / p.data.sum()
    return float((shares * np.log(shares / q)).sum())


def make_vectors(path, rows):
    import numpy as np

    draw = np.random.default_rng(1)
    unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
    centres = unit(draw.normal(size=(500, DIM)))
    scatter = lambda *shape: draw.normal(size=(*shape, DIM)) / np.sqrt(DIM)
    x = unit(centres[draw.integers(0, 500, rows)] + 0.9 * scatter(rows))
    for at in np.flatnonzero(draw.random(rows) < 0.15):
        if at > 0:
            x[at] = unit(x[draw.integers(0, at)] + draw.uniform(0.02, 0.6) * scatter())
    x.astype("<f4").tofile(path)


# --- peers, each in a process of its own ----------------------------------------------------------


def peer(name, vectors, *out):
    import numpy as np

    if name == "sentence-transformers":
        return print(sentence_transformers(Path(vectors), *out))
    x = np.fromfile(vectors, "<f4").reshape(-1, DIM)
    if name == "numpy":
        seconds = numpy_dedup(x, *out)
    elif name == "faiss":
        seconds = faiss_search(x, np.load(*out)["kept"])
    elif name == "vendi":
        from vendi_score import vendi

        start = time.perf_counter()
        score = vendi.score_dual(x.astype(np.float64))
        print(score, end=" ")
        seconds = time.perf_counter() - start
    elif name == "scikit-learn's":
        seconds = scikit_learn(x, *out)
    else:
        seconds = open_tsne(x, name.split("(")[1].rstrip(")"), *out)
    print(seconds)


def numpy_dedup(x, out):
    """The rule in float64: blocks against what was kept before, then row by row within the block."""
    import numpy as np

    start = time.perf_counter()
    x = x.astype(np.float64)
    n = len(x)
    kept, twin, cosine = np.zeros(n, int), np.full(n, -1), np.full(n, np.nan)
    for first in range(0, n, 1024):
        block = x[first : first + 1024]
        before = np.flatnonzero(kept)
        among = block @ block.T
        if len(before):
            # The first of the largest: rows rise, so the smaller id on ties.
            scores = block @ x[before].T
            best = scores.argmax(1)
            twin[first : first + len(block)] = before[best]
            cosine[first : first + len(block)] = scores[np.arange(len(block)), best]
        for at in range(len(block)):
            row = first + at
            earlier = np.flatnonzero(kept[first:row])
            if len(earlier):
                best = earlier[among[at, earlier].argmax()]
                if twin[row] < 0 or among[at, best] > cosine[row]:
                    twin[row], cosine[row] = first + best, among[at, best]
            kept[row] = twin[row] < 0 or cosine[row] < LIMIT
    seconds = time.perf_counter() - start
    np.savez(out, kept=kept, twin=twin, cosine=cosine)
    return seconds


def faiss_search(x, kept):
    import faiss

    faiss.omp_set_num_threads(int(THREADS))
    start = time.perf_counter()
    index = faiss.IndexFlatIP(DIM)
    for first in range(0, len(x), BLOCK):
        block = x[first : first + BLOCK]
        if index.ntotal:
            index.search(block, 1)
        index.add(block[kept[first : first + BLOCK] > 0])
    return time.perf_counter() - start


def open_tsne(x, method, out):
    import numpy as np
    from openTSNE import TSNEEmbedding, affinity, initialization

    start = time.perf_counter()
    p = affinity.PerplexityBasedNN(x, perplexity=30, method="exact", n_jobs=2)
    rate = max(len(x) / 12, 200)
    y = TSNEEmbedding(
        initialization.pca(x, random_state=1), p, negative_gradient_method=method, n_jobs=2, theta=0.5
    )
    y.optimize(250, exaggeration=12, momentum=0.5, learning_rate=rate, inplace=True)
    y.optimize(750, momentum=0.8, learning_rate=rate, inplace=True)
    seconds = time.perf_counter() - start
    np.asarray(y, "<f8").tofile(out)
    return seconds


def scikit_learn(x, out):
    from sklearn.manifold import TSNE

    start = time.perf_counter()
    rate = max(len(x) / 12, 200) / 4
    tsne = TSNE(init="pca", learning_rate=rate, max_iter=1000, n_iter_without_progress=1000, n_jobs=2)
    y = tsne.fit_transform(x)
    seconds = time.perf_counter() - start
    y.astype("<f8").tofile(out)
    return seconds


def sentence_transformers(texts, out, published):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(int(THREADS))
    texts = json.loads(texts.read_text())
    model = SentenceTransformer(published, device="cpu")
    model.encode(texts[:64])
    start = time.perf_counter()
    vectors = model.encode(texts, batch_size=32, normalize_embeddings=True)
    seconds = time.perf_counter() - start
    vectors.astype("<f4").tofile(out)
    return seconds


def run(command):
    threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    environment = {**os.environ, **dict.fromkeys(threads, THREADS), "TQDM_DISABLE": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        say(f"{command[0]} ended with code {done.returncode}; its message is above")
        sys.exit(1)
    return done.stdout


def say(text):
    print(f"bench-evidence: {text}", file=sys.stderr, flush=True)


main()
