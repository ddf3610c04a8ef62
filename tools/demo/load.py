"""The fields: every entry of every file into one store."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import arraylog

import sources

BATCH = 1000


@dataclass
class Loaded:
    """What one file became."""

    file: str
    entry: str
    entries: int = 0
    partitions: int = 0
    arrays: int = 0
    nbytes: int = 0
    seconds: float = 0.0


def load(path: Path, limit: int | None) -> list[Loaded]:
    """Write the entries of all files to a new store, at most `limit` of each file."""
    with arraylog.open(path, "x") as store:
        return [_load_file(store, source, limit) for source in sources.SOURCES]


def _load_file(store: arraylog.Store, source: sources.Source, limit: int | None) -> Loaded:
    entries = list(itertools.islice(sources.entries(source), limit))
    done = Loaded(source.file, source.entry, len(entries))
    done.partitions = len({entry.partition for entry in entries})
    done.arrays = sum(len(entry.arrays) for entry in entries)
    done.nbytes = sum(entry.nbytes for entry in entries)
    start = time.perf_counter()
    for first in range(0, len(entries), BATCH):
        with store.batch() as batch:
            for entry in entries[first : first + BATCH]:
                partition = batch.partition(entry.collection, entry.partition)
                partition.write(entry.key, entry.written(), attrs=entry.attrs)
    done.seconds = time.perf_counter() - start
    return done
