"""What the demo is doing, on stderr: stdout carries the report only."""

from __future__ import annotations

import sys
import time

_START = time.perf_counter()


def step(what: str) -> None:
    """Say what begins."""
    print(f"[{time.perf_counter() - _START:6.1f} s] {what}", file=sys.stderr, flush=True)


class Bar:
    """Percent done of one long step; drawn on a terminal only, so that a log keeps to its lines."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, max(total, 1)
        self._shown = -1
        self._draws = sys.stderr.isatty()

    def at(self, done: int) -> None:
        """`done` of the total are done."""
        percent = 100 * done // self._total
        if self._draws and percent != self._shown:
            self._shown = percent
            end = "\n" if done >= self._total else ""
            print(f"\r           {self._what}: {percent:3d} %", end=end, file=sys.stderr, flush=True)
