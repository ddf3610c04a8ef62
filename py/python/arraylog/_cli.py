"""The command line of the wheel: the Rust one, called in this process."""

from __future__ import annotations

import signal
import sys

from . import _core


def main() -> int:
    """Runs ``arraylog`` with the arguments of this process; its exit code."""
    # The work is done in Rust, where Python's handlers never get a turn: as in
    # the program itself, the signals end the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    return _core.run_cli(["arraylog", *sys.argv[1:]])

