"""The command line of the wheel: the Rust one, called in this process."""

from __future__ import annotations

import signal
import sys

from . import _core


def main() -> int:
    """Runs ``arraylog`` with the arguments of this process; its exit code."""
    # The Rust code watches for the signal itself; Python's handler would raise
    # KeyboardInterrupt once it has returned.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _core.run_cli(["arraylog", *sys.argv[1:]])

