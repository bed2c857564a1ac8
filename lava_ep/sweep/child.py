"""The command line in a process that ends with the one that has started it.

::

    python -m lava_ep.sweep.child PID COMMAND ...
"""

from __future__ import annotations

import sys

from lava_ep import cli
from lava_ep.runtime.worker import follow_parent


def main() -> None:
    """Follow the process with the first argument as its number, and run the command."""
    follow_parent(int(sys.argv[1]))
    sys.argv[:2] = ["lava-ep"]
    cli.main()


if __name__ == "__main__":
    main()
