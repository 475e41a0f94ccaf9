"""The command line, and the names under which `python -m` starts the programs."""

import os
import sys

# `python -m` puts the current folder first on the path, where any json.py or click.py would take the place of the real
# one. While Python looks for the module argv[0] is "-m", and nothing that needs such a module is imported yet.
if (
    sys.argv[:1] == ["-m"]
    and not sys.flags.safe_path
    and any(word.partition(".")[0] == __name__ for word in sys.orig_argv)
    and sys.path[0] != os.path.dirname(os.path.dirname(__file__))
):
    del sys.path[0]
