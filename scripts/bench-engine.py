#!/usr/bin/env python3
"""Speed of our llama.cpp engine beside llama.cpp's own programs, in one run. See bench-engine.

Everyone gets the same model, threads, slots, prompts and OpenMP settings. Rounds are interleaved:
each has other samples, and in each every contestant has its turn:

    ours     the chunk of all requests at once, in SLOTS sequences
    alone    an eighth of the requests, each a chunk of its own, so nothing is shared
    server   llama-server, all requests sent at once; as many tokens each as our reply had
    form     the same with other samples, held to the form of a review as ours are, by a grammar
    bench    llama-batched-bench's speeds for prompts and for replies of the same lengths, both behind
             as many tokens as ours

The server is warm: it has answered the requests of another round, so its slots hold the prefix.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "OMP_NUM_THREADS")
MODEL = "SmolLM2-135M-Instruct.Q4_0.gguf"
TICK = os.sysconf("SC_CLK_TCK")
# Measure: floor and aim. Only memory is better the lower it is.
TARGETS = {
    "replies/s over one request at a time": (1.6, 2.2),
    "replies/s over llama-server": (1.1, 1.4),
    "llama-batched-bench's time / ours": (0.85, 0.95),
    "replies that parse": (1.0, 1.0),
    "peak memory / (model + KV)": (1.2, 1.1),
}
LOWER_IS_BETTER = "peak memory / (model + KV)"


def say(text: str) -> None:
    print(f"bench-engine: {text}", file=sys.stderr, flush=True)


def die(text: str) -> None:
    say(text)
    sys.exit(1)


class Ours:
    """The example program `reviews`: one order per line, one answer per line."""

    def __init__(self, program: Path, model: Path) -> None:
        self.process = subprocess.Popen(
            [program, model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **order: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            die("our side ended; its message is above")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


class Server:
    """llama-server, with as many tokens per slot as our engine gives a sequence."""

    def __init__(self, program: Path, args: argparse.Namespace, flash: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.flash = flash
        self.log = tempfile.TemporaryFile()
        # No prompts kept in memory: the samples never come again, so that would only cost time.
        command = [program, "--model", args.model, "--parallel", args.slots, "--ctx-size",
                   args.slots * 768, "--threads", args.threads, "--threads-batch", args.threads,
                   "--flash-attn", flash, "--cache-ram", 0, "--no-webui", "--host", "127.0.0.1",
                   "--port", self.url.rsplit(":", 1)[1]]
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=self.log, stderr=self.log
        )
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health"):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        self.log.seek(0)
        die("llama-server does not start:\n" + self.log.read().decode(errors="replace")[-2000:])

    def complete(self, prompt: str, tokens: int, manner: dict[str, Any]) -> dict[str, Any]:
        body = {"prompt": prompt, "n_predict": tokens, "ignore_eos": True, "cache_prompt": True,
                "seed": 1, **manner}
        request = urllib.request.Request(
            f"{self.url}/completion", json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=3600) as reply:
            return json.load(reply)

    def run(self, prompts: list[str], lengths: list[int], manner: dict[str, Any]) -> dict[str, Any]:
        with ThreadPoolExecutor(len(prompts)) as pool:
            start = time.perf_counter()
            jobs = [pool.submit(self.complete, prompt, tokens, manner)
                    for prompt, tokens in zip(prompts, lengths)]
            replies = [job.result() for job in jobs]
            seconds = time.perf_counter() - start
        return {
            "seconds": seconds,
            "prompt_lengths": [reply["tokens_evaluated"] for reply in replies],
            "prompt_tokens": sum(reply["timings"]["prompt_n"] for reply in replies),
            "reply_tokens": [reply["tokens_predicted"] for reply in replies],
            "peak_rss": peak_rss(self.process.pid),
        }

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def batched_bench(
    program: Path, args: argparse.Namespace, shared: int, whole: int, reply: int
) -> dict[str, Any]:
    """Speeds in tokens per second: of prompts behind what is shared, and of replies behind whole prompts.
    The first is what whole prompts take longer than those of what is shared alone."""
    less, more = bench_rows(program, args, ["-npp", f"{shared},{whole}", "-ntg", 1])
    [replies] = bench_rows(program, args, ["-npp", whole, "-ntg", reply, "-pps"])
    prompt_speed = args.slots * (whole - shared) / (more["t_pp"] - less["t_pp"])
    return {"prompt_speed": prompt_speed, "reply_speed": replies["speed_tg"]}


def bench_rows(
    program: Path, args: argparse.Namespace, lengths: list[Any]
) -> list[dict[str, Any]]:
    command = [program, "-m", args.model, *lengths, "-npl", args.slots,
               "-c", args.slots * 768, "-t", args.threads, "-tb", args.threads,
               "-fa", args.flash, "--output-format", "jsonl"]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    rows = [line for line in (ran.stdout + ran.stderr).splitlines() if line.startswith('{"n_kv_max')]
    if not rows:
        die(f"llama-batched-bench printed no row:\n{ran.stderr[-2000:]}")
    return [json.loads(row) for row in rows]


def peak_rss(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) * 1024


def busy_and_own(pids: list[int]) -> tuple[float, float]:
    """CPU seconds of the whole machine (stolen ones too), and those of `pids` and this process."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    busy = sum(fields) - fields[3] - fields[4]
    own = sum(os.times()[:4])
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        own += (int(words[11]) + int(words[12])) / TICK
    return busy / TICK, own


def timed(pids: list[int], run: Any) -> dict[str, Any]:
    """Runs one contestant, and adds how many cores other processes used meanwhile."""
    (busy, own), start = busy_and_own(pids), time.perf_counter()
    result = run()
    wall = time.perf_counter() - start
    busy_end, own_end = busy_and_own(pids)
    return {**result, "others": max(0.0, (busy_end - busy) - (own_end - own)) / wall}


def one_round(number: int, contest: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    crowd, single, server = contest["crowd"], contest["single"], contest["server"]
    pids = [side.process.pid for side in (crowd, single, server)]
    settings = {"slots": args.slots, "threads": args.threads}
    turns: dict[str, dict[str, Any]] = {}

    def measure(name: str, run: Any) -> dict[str, Any]:
        turns[name] = timed(pids, run)
        return turns[name]

    order = {"ask": "run", "round": number, "requests": args.requests}
    ours = measure("ours", lambda: crowd.ask(**order, settings=settings))
    lengths, count = ours["reply_tokens"], len(ours["reply_tokens"])
    prompts = crowd.ask(ask="prompts", round=number, requests=args.requests)
    manner = contest["manner"]
    measure("server", lambda: server.run(prompts, lengths, manner))
    # What the server has answered before it would answer from its cache.
    others = crowd.ask(ask="prompts", round=500 + number, requests=args.requests)
    measure("form", lambda: server.run(others, lengths, {**manner, "grammar": contest["grammar"]}))
    mean = max(1, round(sum(lengths) / count))
    program = args.peers / "build/bin/llama-batched-bench"
    lengths_read = sum(ours["prompt_lengths"])
    whole = round(lengths_read / count)
    shared = round((lengths_read - ours["prompt_tokens"]) / (count - 1))
    measure("bench", lambda: batched_bench(program, args, shared, whole, mean))
    one = {**settings, "slots": 1}
    few = {**order, "requests": max(1, args.requests // 8)}
    measure("alone", lambda: single.ask(**few, alone=True, settings=one))
    bench = turns["bench"]
    bench["seconds"] = ours["prompt_tokens"] / bench["prompt_speed"] + sum(lengths) / bench["reply_speed"]
    if turns["server"]["reply_tokens"] != lengths:
        say("llama-server wrote other numbers of tokens than our engine")
    if turns["server"]["prompt_lengths"] != ours["prompt_lengths"]:
        say("llama-server reads other numbers of prompt tokens than our engine")
    shown = ", ".join(f"{name} {turn['seconds']:.1f} s (others {turn['others']:.2f} cores)"
                      for name, turn in turns.items())
    say(f"round {number}: {shown}")
    return turns


def ratios(turns: dict[str, dict[str, Any]]) -> dict[str, float]:
    ours = turns["ours"]
    count = len(ours["reply_tokens"])
    alone = turns["alone"]["seconds"] * count / len(turns["alone"]["reply_tokens"])
    return {
        "replies/s over one request at a time": alone / ours["seconds"],
        "replies/s over llama-server": turns["server"]["seconds"] / ours["seconds"],
        "replies/s over llama-server held to the form": turns["form"]["seconds"] / ours["seconds"]
        * sum(ours["reply_tokens"]) / sum(turns["form"]["reply_tokens"]),
        "llama-batched-bench's time / ours": turns["bench"]["seconds"] / ours["seconds"],
        "replies that parse": ours["parsed"] / count,
        "peak memory / (model + KV)": ours["peak_rss"] / ours["model_and_kv"],
        "peak memory of llama-server / ours": turns["server"]["peak_rss"] / ours["peak_rss"],
    }


def table(rounds: list[dict[str, Any]]) -> str:
    measured = [ratios(turns) for turns in rounds]
    lines = ["| measure | median | min..max | floor | aim | met |", "|---|---|---|---|---|---|"]
    for name in measured[0]:
        values = [row[name] for row in measured]
        middle = statistics.median(values)
        floor, aim = TARGETS.get(name, (None, None))
        sign = -1 if name == LOWER_IS_BETTER else 1
        met = "" if floor is None else next(
            (word for word, limit in (("aim", aim), ("floor", floor)) if sign * middle >= sign * limit),
            "no")
        lines.append(f"| {name} | {middle:.2f} | {min(values):.2f}..{max(values):.2f} "
                     f"| {floor or ''} | {aim or ''} | {met} |")
    others = [turn["others"] for turns in rounds for turn in turns.values()]
    lines += ["", f"Cores used by other processes: median {statistics.median(others):.2f}, "
              f"most {max(others):.2f} of {os.cpu_count()}."]
    for name in rounds[0]:
        seconds = [turns[name]["seconds"] for turns in rounds]
        replies = len(rounds[0][name].get("reply_tokens", rounds[0]["ours"]["reply_tokens"]))
        lines.append(f"- {name}: {replies} replies in {statistics.median(seconds):.1f} s "
                     f"({min(seconds):.1f}..{max(seconds):.1f})")
    return "\n".join(lines)


def choose_server(args: argparse.Namespace, stack: contextlib.ExitStack, prompts: list[list[str]],
                  manner: dict[str, Any]) -> tuple[Server, dict[str, float]]:
    """A warm server. Asked for both, with llama.cpp's choice on fused attention or without it,
    whichever is faster."""
    servers, seconds = [], {}
    for flash in ("auto", "off") if args.flash == "both" else (args.flash,):
        server = Server(server_program(args), args, flash)
        stack.enter_context(contextlib.closing(server))
        for texts in prompts:
            ran = timed([server.process.pid], lambda: server.run(texts, [80] * len(texts), manner))
        say(f"llama-server, --flash-attn {flash}: {ran['seconds']:.1f} s for {len(prompts[-1])} "
            f"replies, warm (others {ran['others']:.2f} cores)")
        seconds[flash] = ran["seconds"]
        servers.append(server)
    servers.sort(key=lambda server: seconds[server.flash])
    for slower in servers[1:]:
        slower.close()
    return servers[0], seconds


def server_program(args: argparse.Namespace) -> Path:
    return args.peers / "build/bin/llama-server"


def about_peers(peers: Path) -> dict[str, str]:
    """What the peers' source and build say of themselves."""
    changes = (peers / "source/CHANGELOG.md").read_text()
    cmake = (peers / "source/vendor/llama.cpp/CMakeLists.txt").read_text()
    number = ".".join(re.findall(r"set\(LLAMA_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)\)", cmake)[:3])
    commit = re.search(r"llama\.cpp@([0-9a-f]+)", changes)
    return {"version": f"llama.cpp {number}, commit {commit.group(1) if commit else 'unknown'}"}


def system_line(program: Path) -> str:
    """What llama-server was built for. It tells so in its trace, before it misses the model."""
    command = [program, "--model", "no-model", "--verbosity", "5", "--port", "0"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"system_info: .*?\| (CPU : .*)\|", ran.stdout)
    return found.group(1).strip(" |") if found else "not told"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-engine", description=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  scripts/bench-engine\n  scripts/bench-engine --quick\n"
               "  OMP_WAIT_POLICY=passive scripts/bench-engine --runs 7 --json engine.json",
    )
    parser.add_argument("--runs", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--model", type=Path, help=f"GGUF file (default {MODEL} among the models)")
    parser.add_argument("--slots", type=int, default=16, help="replies written at once (default 16)")
    parser.add_argument("--threads", type=int, help="default: the engine's own default")
    parser.add_argument("--requests", type=int, default=64, help="of a round (default 64)")
    parser.add_argument("--quick", action="store_true", help="one round of 16 requests: a trial")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--flash", choices=("both", "auto", "on", "off"), default="both", help="fused "
                        "attention of the peers (default both: auto and off are tried, the faster stays)")
    for given in ("--ours", "--peers", "--models"):  # by the shell script
        parser.add_argument(given, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.runs, args.requests = 1, 16
    args.model = args.model or args.models / MODEL
    if not args.model.exists():
        die(f"{args.model} is missing\n  hint: scripts/setup && scripts/demo-pool")
    return args


def main() -> None:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    with contextlib.ExitStack() as stack:
        run(args, stack)


def run(args: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    crowd = stack.enter_context(contextlib.closing(Ours(args.ours, args.model)))
    single = stack.enter_context(contextlib.closing(Ours(args.ours, args.model)))
    about = crowd.ask(ask="about")
    args.threads = args.threads or about["threads"]
    prompts = [crowd.ask(ask="prompts", round=900 + n, requests=args.slots) for n in range(2)]
    # Its own chain of samplers, which is faster than ours asked of it: it draws from 40 tokens at most.
    manner = {"temperature": about["temperature"]}
    server, server_seconds = choose_server(args, stack, prompts, manner)
    args.flash = server.flash
    contest = {"crowd": crowd, "single": single, "server": server, "manner": manner,
               "grammar": about["grammar"]}
    peer = {**about_peers(args.peers), "system": system_line(server_program(args))}
    print(f"- ours: {about['version']}, {about['system']}\n- peers: {peer['version']}, {peer['system']}")
    print(f"- same CPU flags: {'yes' if peer['system'] == about['system'] else 'NO'}")
    print(f"- model {args.model.name}, {args.threads} threads, {args.slots} slots, {args.requests} "
          f"requests, temperature {about['temperature']:.2g}")
    print("- OpenMP: " + ", ".join(f"{name}={os.environ.get(name, '(unset)')}" for name in OPENMP))
    print(f"- llama-server --flash-attn {server.flash} (warm-up: "
          + ", ".join(f"{flash} {took:.1f} s" for flash, took in server_seconds.items()) + ")\n")
    rounds: list[dict[str, Any]] = []
    for number in range(1, args.runs + 1):
        rounds.append(one_round(number, contest, args))
        if args.json:
            record = {"ours": about, "peers": peer, "server_flash": server_seconds,
                      "openmp": {name: os.environ.get(name) for name in OPENMP},
                      "ratios": [ratios(turns) for turns in rounds], "rounds": rounds}
            args.json.write_text(json.dumps(record, indent=1) + "\n")
    print(table(rounds))


if __name__ == "__main__":
    main()
