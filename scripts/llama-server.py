#!/usr/bin/env python3
"""llama.cpp's own HTTP server, out of a package that carries it as a library, with the options of `llama-server`.

    llama-server --model FILE.gguf --port N [--host ADDRESS] [--parallel N] [--ctx-size N] [--threads N] [--alias NAME]

Serves until it is told to end. `/health` answers 200 when the model is loaded. The context is shared out among what runs
in parallel: 8192 tokens for 4 are 2048 each.
"""

import argparse
import signal
import sys
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(prog="llama-server", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", "-m", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--parallel", "-np", type=int, default=4)
    parser.add_argument("--ctx-size", "-c", type=int, default=8192)
    parser.add_argument("--threads", "-t", type=int, default=None)
    parser.add_argument("--alias", "-a", default=None)
    options = parser.parse_args()
    if not options.model.is_file():
        sys.exit(f"{options.model}: no such file")

    # Only now: loading the library takes seconds that a wrong option should not cost.
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = options.ctx_size
    params.model_alias = {options.alias or options.model.stem}
    if options.threads:
        params.cpuparams.n_threads = options.threads
        params.cpuparams_batch.n_threads = options.threads
    # Before the server starts its threads, so that they all leave these signals to `sigwait`.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(ends)


if __name__ == "__main__":
    main()
