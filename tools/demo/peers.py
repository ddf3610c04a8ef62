"""The same series in files of `numpy.save` and in LMDB.

Both get what they are good at. LMDB keeps bytes only, so a series is one value, its arrays one
after the other. Dtypes, dims, shapes and attributes are the same in all series of a file; a user of
LMDB would see to that himself and keep them once, as is done here, so that they cost neither writes
nor reads anything. It runs without sync, in transactions of as many entries as an arraylog batch.
`numpy.save` keeps dtype and shape, no dims and no attributes: a series is one file into which its
arrays are saved one after the other.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

import series as own
from progress import Bar
from series import Measured, Pick
from sources import SourceArray, SourceEntry


class Peer(ABC):
    """A place for series: written copy by copy, read by key, scanned."""

    name: str

    def __init__(self, path: Path, series: list[SourceEntry], copies: int) -> None:
        self.path, self.series, self.copies = path, series, copies

    def ingest(self) -> Measured:
        """Write all copies of all series."""
        bar = Bar(f"{self.name}: ingest", self.copies)
        start = time.perf_counter()
        for copy in range(self.copies):
            for first in range(0, len(self.series), own.BATCH):
                self.write(copy, first, self.series[first : first + own.BATCH])
            bar.at(copy + 1)
        seconds = time.perf_counter() - start
        return Measured(self.copies * len(self.series), self.copies * sum(s.nbytes for s in self.series), seconds)

    def read_random(self, chosen: list[Pick]) -> Measured:
        """Get the measured array of each chosen series."""
        wanted = [self.address(pick.copy, pick.index) for pick in chosen]
        nbytes = 0
        start = time.perf_counter()
        for array in self.arrays(wanted):
            nbytes += array.nbytes
        return Measured(len(chosen), nbytes, time.perf_counter() - start)

    def scan(self) -> Measured:
        """Read every byte of every array of every series."""
        done = Measured(0, self.copies * sum(s.nbytes for s in self.series), 0.0)
        start = time.perf_counter()
        for arrays in self.entries():
            done.entries += 1
            for array in arrays:
                done.checksum += own.checksum(array)
        done.seconds = time.perf_counter() - start
        return done

    @abstractmethod
    def write(self, copy: int, first: int, batch: list[SourceEntry]) -> None:
        """Store series `first`, `first + 1`, ... as one batch."""

    @abstractmethod
    def address(self, copy: int, index: int) -> Any:
        """What finds a series: made before the clock starts."""

    @abstractmethod
    def arrays(self, wanted: list[Any]) -> Iterator[NDArray[Any]]:
        """The measured arrays at these addresses."""

    @abstractmethod
    def entries(self) -> Iterator[list[NDArray[Any]]]:
        """All arrays of each series."""


@dataclass(frozen=True)
class Slot:
    """Where one array lies in an LMDB value."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int
    offset: int
    mask_offset: int | None
    fill_value: Any

    def read(self, value: memoryview | None) -> NDArray[Any]:
        """The array, without a copy; a mask is unpacked from its bits."""
        if value is None:
            raise KeyError("a series that was stored is not found")
        array = np.frombuffer(value, self.dtype, self.size, self.offset).reshape(self.shape)
        if self.mask_offset is None:
            return array
        packed = np.frombuffer(value, "u1", (self.size + 7) // 8, self.mask_offset)
        mask = np.unpackbits(packed, count=self.size).reshape(self.shape).view(bool)
        return np.ma.MaskedArray(array, mask=mask, fill_value=self.fill_value)


class Lmdb(Peer):
    """LMDB by py-lmdb, one value a series."""

    name = "LMDB"

    def __init__(self, path: Path, series: list[SourceEntry], copies: int) -> None:
        super().__init__(path, series, copies)
        room = 4 * copies * sum(s.nbytes + 4096 for s in series)
        self._env = lmdb.open(str(path), map_size=max(room, 1 << 26), subdir=False, sync=False, metasync=False)
        self._slots = {s.partition: slots(s) for s in series}
        with self._env.begin(write=True) as transaction:
            for name, entry in {s.partition: s for s in series}.items():
                transaction.put(f"description/{name}".encode(), description(entry))

    def write(self, copy: int, first: int, batch: list[SourceEntry]) -> None:
        with self._env.begin(write=True) as transaction:
            for entry in batch:
                transaction.put(self._key(copy, entry), packed(entry))

    def address(self, copy: int, index: int) -> tuple[bytes, Slot]:
        entry = self.series[index]
        return self._key(copy, entry), self._slots[entry.partition][0]

    def arrays(self, wanted: list[tuple[bytes, Slot]]) -> Iterator[NDArray[Any]]:
        with self._env.begin(buffers=True) as transaction:
            for key, slot in wanted:
                yield slot.read(transaction.get(key))

    def entries(self) -> Iterator[list[NDArray[Any]]]:
        with self._env.begin(buffers=True) as transaction:
            for name, arrays in self._slots.items():
                prefix = f"{name}/".encode()
                with transaction.cursor() as cursor:
                    cursor.set_range(prefix)
                    for key, value in cursor:
                        if bytes(key[: len(prefix)]) != prefix:
                            break
                        yield [slot.read(value) for slot in arrays]

    def sync(self) -> float:
        """Make everything durable; seconds."""
        start = time.perf_counter()
        self._env.sync(True)
        return time.perf_counter() - start

    def close(self) -> int:
        """Close; the bytes of the file that are in use."""
        used = int(self._env.info()["last_pgno"] + 1) * int(self._env.stat()["psize"])
        self._env.close()
        return used

    @staticmethod
    def _key(copy: int, entry: SourceEntry) -> bytes:
        return f"{entry.partition}/{own.key(copy, entry)}".encode()


class NumpyFiles(Peer):
    """`numpy.save`, one file a series."""

    name = "numpy.save"

    def write(self, copy: int, first: int, batch: list[SourceEntry]) -> None:
        folder = self.path / f"{copy:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(batch, first):
            with (folder / f"{number}.npy").open("wb") as out:
                for array in entry.arrays.values():
                    np.save(out, array.data)
                    if array.mask is not None:
                        np.save(out, array.mask)

    def address(self, copy: int, index: int) -> tuple[str, SourceArray]:
        return str(self.path / f"{copy:04d}" / f"{index}.npy"), next(iter(self.series[index].arrays.values()))

    def arrays(self, wanted: list[tuple[str, SourceArray]]) -> Iterator[NDArray[Any]]:
        for path, like in wanted:
            with open(path, "rb") as file:
                yield _load(file, like)

    def entries(self) -> Iterator[list[NDArray[Any]]]:
        for copy in range(self.copies):
            for index, entry in enumerate(self.series):
                path, _ = self.address(copy, index)
                with open(path, "rb") as file:
                    yield [_load(file, like) for like in entry.arrays.values()]


def slots(entry: SourceEntry) -> list[Slot]:
    """Where the arrays of an entry lie in its LMDB value."""
    found, offset = [], 0
    for array in entry.arrays.values():
        end = offset + array.data.nbytes
        mask_offset = None if array.mask is None else end
        data = array.data
        found.append(Slot(data.dtype, data.shape, data.size, offset, mask_offset, array.fill_value))
        offset += array.nbytes
    return found


def packed(entry: SourceEntry) -> bytes:
    """An entry as one LMDB value."""
    parts = []
    for array in entry.arrays.values():
        parts.append(array.data.tobytes())
        if array.mask is not None:
            parts.append(np.packbits(array.mask).tobytes())
    return b"".join(parts)


def description(entry: SourceEntry) -> bytes:
    """What all series of a file have in common: dtypes, dims, shapes and attributes."""
    arrays = {
        name: {"dtype": array.data.dtype.str, "dims": array.dims, "shape": array.data.shape, "attrs": array.attrs}
        for name, array in entry.arrays.items()
    }
    return json.dumps({"attrs": entry.attrs, "arrays": arrays}, default=lambda value: value.tolist()).encode()


def _load(file: Any, like: SourceArray) -> NDArray[Any]:
    data: NDArray[Any] = np.load(file)
    if like.mask is None:
        return data
    return np.ma.MaskedArray(data, mask=np.load(file), fill_value=like.fill_value)
