"""What the rows of `arrays.py` share: how something is timed, and how a ratio is stated."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# What an engine measures: by name of the figure.
Figures = Mapping[str, float]
Engine = tuple[str, Callable[[], Figures]]


@dataclass(frozen=True)
class Ratio:
    """A figure of an engine beside one of another, of the same repetition, or a number.

    Less is better: how many times as good the first is, which is to be ``target`` at least.
    With ``much``, how many times as much it is, which is to be ``target`` at most.
    """

    first: tuple[str, str]
    second: tuple[str, str] | float
    target: float | None = None
    much: bool = False


@dataclass(frozen=True)
class Row:
    """``make`` prepares the data in a folder, for so many entries where a row is of entries,
    and gives the engines. ``figures``: their units by name; the first may be the only one.
    """

    title: str
    make: Callable[[Path, int], Iterator[Engine]]
    figures: dict[str, str]
    ratios: list[Ratio]


def best(work: Callable[[], object], count: int) -> float:
    """Milliseconds for one call: the median of ``count``, each timed alone."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def each(reads: Mapping[str, Callable[[object], object]], keys: list, passes: int = 5) -> dict[str, float]:
    """Microseconds for one key by each of ``reads``: medians of passes over all keys, one of
    each in turn, without collections.
    """
    gc.collect()
    gc.disable()
    times: dict[str, list[float]] = {name: [] for name in reads}
    for _ in range(passes):
        for name, read in reads.items():
            start = time.perf_counter()
            for key in keys:
                read(key)
            times[name].append((time.perf_counter() - start) / len(keys) * 1e6)
    gc.enable()
    return {name: statistics.median(found) for name, found in times.items()}


def bytes_on_disk(path: Path) -> int:
    """Of a file, or of all files below a folder: what they take of the device."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """The lower one, the median and the upper one; of less than four, the ends."""
    if len(values) < 4:
        return min(values), statistics.median(values), max(values)
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def spread(values: list[float]) -> str:
    low, middle, high = quartiles(values)
    return f"{middle:.4g} [{low:.4g}..{high:.4g}]"


def stated(ratio: Ratio, found: Mapping[str, list[Figures]]) -> str:
    """The ratio over all repetitions, with its target and what came of that."""

    def values(cell: tuple[str, str]) -> list[float]:
        engine, figure = cell
        return [figures[figure] for figures in found[engine]]

    first = values(ratio.first)
    if isinstance(ratio.second, tuple):
        second, name = values(ratio.second), " ".join(ratio.second)
    else:
        second, name = [ratio.second] * len(first), f"{ratio.second:g}"
    pairs = list(zip(first, second, strict=True))
    ratios = [one / other if ratio.much else other / one for one, other in pairs]
    kind = "times as much" if ratio.much else "times as good"
    text = f"{' '.join(ratio.first)} : {name}: {spread(ratios)} {kind}"
    target = ratio.target
    if target is None:
        return text
    low, middle, high = quartiles(ratios)
    if ratio.much:
        met, near, sign = middle <= target, low <= target, "≤"
    else:
        met, near, sign = middle >= target, high >= target, "≥"
    verdict = "met" if met else "missed, within noise" if near else "missed"
    return f"{text}, target {sign} {target:g}: {verdict}"
