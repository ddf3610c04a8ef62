"""Where a file is mapped in this process: the proof that an array is a view of the file."""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

_MAPS = Path("/proc/self/maps")


class Mapping:
    """The address ranges at which this process has `path` mapped.

    Known on Linux only: elsewhere `known` is false, and what is left of the proof is that NumPy
    neither owns the memory nor may write to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.path.realpath(path)
        self.known = _MAPS.exists()
        self._starts: list[int] = []
        self._ends: list[int] = []

    def holds(self, array: NDArray[Any]) -> bool:
        """Whether every byte of `array` (C order) lies in the mapping."""
        first = array.__array_interface__["data"][0]
        last = first + array.nbytes
        return self._within(first, last) or (self._reload() and self._within(first, last))

    def _within(self, first: int, last: int) -> bool:
        below = bisect_right(self._starts, first) - 1
        return below >= 0 and last <= self._ends[below]

    def _reload(self) -> bool:
        """Read the ranges again, adjacent ones joined; whether they changed."""
        starts: list[int] = []
        ends: list[int] = []
        for line in _MAPS.read_text().splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) < 6 or fields[5] != self._path:
                continue
            start, end = (int(address, 16) for address in fields[0].split("-"))
            if ends and ends[-1] == start:
                ends[-1] = end
            else:
                starts.append(start)
                ends.append(end)
        changed = (starts, ends) != (self._starts, self._ends)
        self._starts, self._ends = starts, ends
        return changed
