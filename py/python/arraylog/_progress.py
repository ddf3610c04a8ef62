"""How far long work has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = bool | Callable[[int, int], None]

_SECONDS_PER_REPORT = 0.1


class Report:
    """Tells how far work is, at most ten times a second."""

    def __init__(self, progress: Progress, total: int, unit: str) -> None:
        self._total = total
        self._call: Callable[[int, int], None] | None = None
        self._bar: Any = None
        self._told = -1
        self._at = 0.0
        if progress is True:
            self._bar = _bar(total, unit)
        elif progress:
            self._call = progress

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._at >= _SECONDS_PER_REPORT:
            self._at = now
            self._tell(done)

    def _tell(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(done - max(self._told, 0))
        if self._call is not None and done != self._told:
            self._call(done, self._total)
        self._told = done

    def close(self, done: int) -> None:
        if self._bar is not None:
            self._tell(done)
            self._bar.close()
        elif self._call is not None and self._told not in (-1, done):
            self._tell(done)


def _bar(total: int, unit: str) -> Any:
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise ImportError("progress=True draws with tqdm: pip install 'arraylog[progress]'") from None
    return tqdm(total=total or None, unit=unit, unit_scale=unit == "B", unit_divisor=1024)


@contextmanager
def copying(progress: Progress) -> Iterator[Callable[[int, int], None] | None]:
    """What to call with the bytes that were copied and those that will be."""
    if progress is not True:
        yield progress or None
        return
    bar = _bar(0, "B")

    def move(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    with bar:
        yield move
