"""The command line of the wheel: the Rust one, called in this process."""

from __future__ import annotations

import signal
import sys

from . import _core

_INTERRUPTED = 130


def main() -> int:
    """Runs ``arraylog`` with the arguments of this process; its exit code."""
    try:
        # The Rust code watches for the signal itself; Python's handler would raise
        # KeyboardInterrupt once it has returned.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        # It came while Python was starting: nothing has been done yet.
        return _INTERRUPTED
    return _core.run_cli(["arraylog", *sys.argv[1:]])
