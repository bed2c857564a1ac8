"""``python -m lava_ep`` is the command line."""

from lava_ep.cli import main

main()
