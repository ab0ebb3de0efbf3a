"""Runs OpenCompass in an environment whose Python is neither in it nor in /usr.

Configurations import modules of Python itself, and mmengine takes these for modules of others, to be loaded later, unless
their files are in the environment or in /usr/lib/python. BBH's configuration then ends with a RuntimeError at `os.path`.
"""

import sys

import mmengine.config.utils

mmengine.config.utils.SYSTEM_PYTHON_PREFIX = sys.base_prefix

from opencompass.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
