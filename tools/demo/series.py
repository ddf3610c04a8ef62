"""The same fields cut the other way: one series or column for each grid point, up to 1 GB of them.

A series carries what it needs to be read alone: values, whatever else of its file runs along it
(times, the bounds of the means, levels), its position, and all attributes. The files hold 21,450 of
them, 53 MB; copies under keys of their own bring that to a gigabyte.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import arraylog
import numpy as np
from numpy.typing import NDArray

import sources
from progress import Bar
from sources import SourceArray, SourceEntry

COLLECTION = "series"
BATCH = 1000


@dataclass(frozen=True)
class Cut:
    """How a file is cut into series; `arrays` are what one keeps, the measured one first."""

    collection: str
    position: tuple[str, str]
    arrays: tuple[str, ...]


CUTS = (
    Cut("ostia_monthly", ("latitude", "longitude"),
        ("surface_temperature", "time", "time_bnds", "forecast_reference_time", "forecast_reference_time_bnds")),
    Cut("A1B_north_america", ("latitude", "longitude"), ("air_temperature", "time", "time_bnds", "forecast_period")),
    Cut("E1_north_america", ("latitude", "longitude"), ("air_temperature", "time", "time_bnds", "forecast_period")),
    Cut("atlantic_profiles", ("lat", "lon"), ("theta", "salinity", "depth", "time")),
    Cut("hybrid_height", ("grid_latitude", "grid_longitude"),
        ("air_potential_temperature", "level_height", "level_height_bnds", "sigma", "surface_altitude", "time")),
)  # fmt: skip


@dataclass(frozen=True)
class Pick:
    """One series to be read at random: copy number and place in the list of series."""

    copy: int
    index: int


@dataclass
class Measured:
    """Work done and the time it took. `nbytes` are those of arrays: elements, and masks as bits."""

    entries: int
    nbytes: int
    seconds: float
    checksum: int = 0

    @property
    def entries_per_second(self) -> float:
        """Rate in entries."""
        return self.entries / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """Rate in 10^6 bytes."""
        return self.nbytes / self.seconds / 1e6


def cut_series(every: int) -> list[SourceEntry]:
    """Each `every`-th series of the files, contiguous in memory."""
    return [entry for cut in CUTS for n, entry in enumerate(_cut_file(cut)) if n % every == 0]


def key(copy: int, series: SourceEntry) -> str:
    """The key of a copy of a series."""
    return f"{copy:04d}/{series.key}"


def main_array(series: SourceEntry) -> str:
    """The name of the measured array."""
    return next(iter(series.arrays))


def ingest(store: arraylog.Store, series: list[SourceEntry], copies: int) -> Measured:
    """Write all series `copies` times, in batches of `BATCH` entries."""
    bar = Bar("arraylog: ingest", copies)
    start = time.perf_counter()
    for copy in range(copies):
        for first in range(0, len(series), BATCH):
            with store.batch() as batch:
                partitions = {cut.collection: batch.partition(COLLECTION, cut.collection) for cut in CUTS}
                for entry in series[first : first + BATCH]:
                    partitions[entry.partition].write(key(copy, entry), entry.written(), attrs=entry.attrs)
        bar.at(copy + 1)
    seconds = time.perf_counter() - start
    return Measured(copies * len(series), copies * sum(s.nbytes for s in series), seconds)


def picks(series: list[SourceEntry], copies: int, count: int, masked: bool) -> list[Pick]:
    """`count` random series, the same in every run, whose measured array has or has not a mask."""
    random = np.random.default_rng(42)
    fitting = [n for n, s in enumerate(series) if (s.arrays[main_array(s)].mask is not None) == masked]
    indexes = random.choice(fitting, count).tolist()
    return [Pick(*pair) for pair in zip(random.integers(0, copies, count).tolist(), indexes, strict=True)]


def read_random(store: arraylog.Store, series: list[SourceEntry], chosen: list[Pick]) -> Measured:
    """Get the measured array of each chosen series by its key."""
    partitions = {s.partition: store.partition(COLLECTION, s.partition) for s in series}
    wanted = [(partitions[s.partition], key(p.copy, s), main_array(s)) for p in chosen for s in [series[p.index]]]
    nbytes = 0
    start = time.perf_counter()
    for partition, name, array in wanted:
        nbytes += partition.array(name, array).nbytes
    return Measured(len(wanted), nbytes, time.perf_counter() - start)


def scan(store: arraylog.Store, series: list[SourceEntry], copies: int) -> Measured:
    """Read every byte of every array of every series, in the order of the log."""
    done = Measured(0, copies * sum(s.nbytes for s in series), 0.0)
    start = time.perf_counter()
    for partition in store[COLLECTION].values():
        for entry in partition.values():
            done.entries += 1
            for array in entry.to_dict().values():
                done.checksum += checksum(array)
    done.seconds = time.perf_counter() - start
    return done


def checksum(array: NDArray[Any]) -> int:
    """A number that depends on every byte of the elements: reading them is what a scan is timed for."""
    elements: Any = np.ma.getdata(array).reshape(-1).view("u1")
    return zlib.crc32(elements)


def _cut_file(cut: Cut) -> Iterator[SourceEntry]:
    arrays, attrs = sources.read(f"{cut.collection}.nc")
    kept = {name: arrays[name] for name in (*cut.arrays, *cut.position)}
    attrs = {**attrs, "source_file": f"{cut.collection}.nc"}
    for place in np.ndindex(*(arrays[name].data.size for name in cut.position)):
        selection = dict(zip(cut.position, place, strict=True))
        chosen = {name: _contiguous(array.select(selection)) for name, array in kept.items()}
        place_name = sources.position(chosen, cut.position)
        yield SourceEntry(COLLECTION, cut.collection, place_name, chosen, attrs)


def _contiguous(array: SourceArray) -> SourceArray:
    mask = None if array.mask is None else array.mask.copy(order="C")
    return SourceArray(array.dims, array.data.copy(order="C"), mask, array.fill_value, array.attrs)
