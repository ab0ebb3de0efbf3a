#!/usr/bin/env python3
"""Fetches a package's source distribution as it is, from the index that pip is set up with, and checks its hash. `pip
download` would build it to learn its name.

usage: fetch-sdist.py NAME VERSION SHA256 FILE"""

import hashlib
import re
import subprocess
import sys
import urllib.parse
import urllib.request

from pip._internal.models.index import PyPI

name, version, sha256, out = sys.argv[1:]
said = subprocess.run(
    [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
)
index = said.stdout.strip() or PyPI.simple_url
page = f"{index.rstrip('/')}/{name}/"
with urllib.request.urlopen(page, timeout=120) as reply:
    links = re.findall(r'href="([^"]+)"', reply.read().decode())
wanted = f"{name.replace('-', '_')}-{version}.tar.gz"
found = [link for link in links if urllib.parse.urlparse(link).path.endswith(f"/{wanted}")]
if not found:
    sys.exit(f"{wanted} is not on {page}")
with urllib.request.urlopen(urllib.parse.urljoin(page, found[0]), timeout=600) as reply, open(out, "wb") as file:
    digest = hashlib.sha256()
    while chunk := reply.read(1 << 20):
        digest.update(chunk)
        file.write(chunk)
if digest.hexdigest() != sha256:
    sys.exit(f"{wanted} is not the file that is pinned: its SHA-256 is {digest.hexdigest()}")
