#!/usr/bin/env python3
"""Empty stand-ins for CUDA's libraries, so that a CUDA build of torch loads on a machine without a GPU.

    ENVIRONMENT/bin/python cuda-stand-ins.py

torch's package links to some fifteen libraries of CUDA, gigabytes that do nothing without a GPU. Their symbols must be
there when torch is loaded; none is called while `torch.cuda.is_available()` says no. So each library that neither the
environment nor the system has is compiled here from functions that return 1, which CUDA's callers read as an error. An
environment with stand-ins in it is of no use on a machine with a GPU. Needs cc, nm and readelf.
"""

import re
import subprocess
import sys
import sysconfig
from collections import defaultdict
from pathlib import Path

SITE = Path(sysconfig.get_path("purelib"))
TORCH = SITE / "torch" / "lib"

# These every system has; the last one comes with a GPU's driver, and torch asks for it only when it needs it.
OF_THE_SYSTEM = re.compile(r"(lib(pthread|m|dl|c|rt|gcc_s|stdc\+\+|numa|gomp)[.-].*|ld-linux.*|libcuda\.so\.1)")

# torch opens these by name alone when it is imported, so no library lists them as needed.
OPENED_BY_NAME = ["libnvrtc-builtins.so.13.0", "libnvJitLink.so.13"]

# Which library defines a symbol is written nowhere when the symbol has no version, and is told from how its name begins, as
# C or as C++ writes it. Longer beginnings stand first.
BEGINNINGS = {
    "cublasLt": "libcublasLt",
    "cublas": "libcublas",
    "cudnn": "libcudnn",
    "nvrtc": "libnvrtc",
    "cufft": "libcufft",
    "curand": "libcurand",
    "cusparseLt": "libcusparseLt",
    "cusparse": "libcusparse",
    "cusolver": "libcusolver",
    "pnccl": "libnccl",
    "nccl": "libnccl",
    "nvshmem": "libnvshmem_host",
    "cufile": "libcufile",
    "cuFile": "libcufile",
    "cupti": "libcupti",
    "nvJitLink": "libnvJitLink",
    "__cuda": "libcudart",
    "cuda": "libcudart",
}


def lines_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def needed_by(library):
    """Names of the libraries that it links to."""
    found = (re.search(r"NEEDED.*\[(.*)\]", line) for line in lines_of("readelf", "-d", str(library)))
    return {match[1] for match in found if match}


def undefined_in(library):
    """(symbol, version) of what it expects others to define; the version is empty where there is none."""
    for line in lines_of("nm", "-D", "--undefined-only", str(library)):
        name, _, version = line.split()[-1].partition("@")
        yield name, version.lstrip("@")


def library_of(symbol):
    for beginning, library in BEGINNINGS.items():
        if re.match(rf"(_Z(N?K?\d*|\d+))?{beginning}", symbol):
            return library
    return None


def compile_stand_in(name, symbols):
    """Compiles TORCH/name. A symbol's version is part of what the loader compares."""
    functions = sorted({symbol for symbol, _ in symbols}) or ["gra_stand_in"]
    source = "".join(f"int {function}(void) {{ return 1; }}\n" for function in functions)
    command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", "-x", "c", "-", "-o", str(TORCH / name), f"-Wl,-soname,{name}"]
    script = TORCH / "stand-in.map"
    versions = sorted({version for _, version in symbols if version})
    if versions:
        script.write_text("".join(
            f"{version} {{ global: {' '.join(symbol + ';' for symbol, its in sorted(symbols) if its == version)} }};\n"
            for version in versions
        ))
        command.append(f"-Wl,--version-script={script}")
    subprocess.run(command, input=source, text=True, check=True)
    script.unlink(missing_ok=True)


def main():
    libraries = sorted(TORCH.glob("*.so*"))
    if not libraries:
        sys.exit(f"no torch in {SITE}")
    here = {path.name for path in libraries} | {path.name for path in (SITE / "nvidia").rglob("*.so*")}
    wanted = set(OPENED_BY_NAME)
    for library in libraries:
        wanted |= needed_by(library)
    wanted = {name for name in wanted - here if not OF_THE_SYSTEM.fullmatch(name)}

    symbols = defaultdict(set)
    for library in libraries:
        for symbol, version in undefined_in(library):
            # With a version that is a library's name (libcublas.so.13) there is nothing to guess.
            owner = version if version in wanted else library_of(symbol)
            if owner is not None:
                symbols[owner].add((symbol, version))
    for name in sorted(wanted):
        of_version, of_name = symbols[name], symbols[name.partition(".so")[0]]
        compile_stand_in(name, of_version | of_name)
    print(f"{len(wanted)} stand-ins: {' '.join(sorted(wanted))}", file=sys.stderr)


if __name__ == "__main__":
    main()
