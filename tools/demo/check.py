"""The second process: everything read back without a copy and compared with the NetCDF files.

Reads the files again, opens the stores for reading only, and prints one JSON object with what it
compared and what differed. Exit code 1 if anything differed.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import arraylog
import netCDF4
import numpy as np
from numpy.typing import NDArray

import columns
import series
import sources
import times
from compare import Comparison, as_source
from mapping import Mapping
from progress import Bar


def check_fields(path: Path, limit: int | None) -> dict[str, Comparison]:
    """The fields, and the columns that came as NDJSON."""
    with arraylog.open(path, "r") as store:
        direct, text, whole = (Comparison(Mapping(path)) for _ in range(3))
        for source in sources.SOURCES:
            _check_entries(direct, store[source.collection], source, limit)
            if limit is None and not direct.mismatches:
                _check_whole(whole, store[source.collection], source)
        for source in columns.column_sources():
            _check_ndjson(text, store, source.collection)
        return {"fields": direct, "whole variables": whole, "columns by NDJSON": text}


def check_series(path: Path, every: int, copies: int, share: tuple[int, int]) -> dict[str, Comparison]:
    """The series: of share (n, of) the copies n, n + of, n + 2 of, ..."""
    comparison = Comparison(Mapping(path))
    expected = series.cut_series(every)
    bar = Bar("compare", copies)
    with arraylog.open(path, "r") as store:
        parts = {entry.partition: store[series.COLLECTION][entry.partition] for entry in expected}
        for copy in range(share[0], copies, share[1]):
            for entry in expected:
                key = series.key(copy, entry)
                comparison.entry(entry, parts[entry.partition].get(key), f"{entry.partition}/{key}")
            if share[0] == 0:  # one bar is enough
                bar.at(min(copy + share[1], copies))
        stored = sum(len(part) for part in parts.values())
        comparison.equal(copies * len(expected), stored, series.COLLECTION, "entries")
    return {"series": comparison}


def _check_entries(
    comparison: Comparison, collection: arraylog.Collection, source: sources.Source, limit: int | None
) -> None:
    count = 0
    for entry in itertools.islice(sources.entries(source), limit):
        partition = collection.get(entry.partition)
        got = None if partition is None else partition.get(entry.key)
        comparison.entry(entry, got, f"{entry.collection}/{entry.partition}/{entry.key}")
        count += 1
    stored = sum(len(partition) for partition in collection.values())
    comparison.equal(count, stored, source.collection, "entries")


def _check_ndjson(comparison: Comparison, store: arraylog.Store, name: str) -> None:
    for partition_name, partition in store[name].items():
        twin = store[name + columns.SUFFIX][partition_name]
        comparison.equal(len(partition), len(twin), f"{name}/{partition_name}", "entries")
        for key, entry in partition.items():
            where = f"{name}{columns.SUFFIX}/{partition_name}/{key}"
            comparison.entry(as_source(entry, name, partition_name), twin.get(key), where)


def _check_whole(comparison: Comparison, collection: arraylog.Collection, source: sources.Source) -> None:
    """Put the entries together again and compare with what netCDF4 itself makes of the file.

    This does not pass through the code that cut the file, so it would see what that did wrong.
    """
    entries = [entry for partition in collection.values() for entry in partition.values()]
    with netCDF4.Dataset(sources.FOLDER / source.file) as dataset:
        for name in source.main:
            expected = np.ma.asarray(dataset[name][...])
            joined = _joined([entry[name].numpy() for entry in entries])
            in_order = _entries_first(expected, dataset[name].dimensions, source.cut).ravel()
            comparison.counts["arrays"] += 1
            comparison.counts["values"] += expected.size
            same_mask = np.array_equal(np.ma.getmaskarray(in_order), np.ma.getmaskarray(joined))
            if not same_mask or np.ma.compressed(in_order).tobytes() != joined.compressed().tobytes():
                comparison.differs(f"{source.collection}/{name}", "the whole differs from the file")
        _check_times(comparison, dataset, entries, source)


def _check_times(
    comparison: Comparison, dataset: netCDF4.Dataset, entries: list[arraylog.Entry], source: sources.Source
) -> None:
    """The stored dates must give the numbers of the file again."""
    variable = dataset[source.time]
    attrs = {name: variable.getncattr(name) for name in variable.ncattrs()}
    stored = np.concatenate([entry[source.time].numpy().ravel() for entry in entries])
    numbers = np.ma.getdata(variable[...]).ravel()
    if source.time not in source.cut:
        numbers = np.repeat(numbers, len(entries))
    comparison.counts["times"] += stored.size
    if not times.agrees(stored, numbers, attrs):
        comparison.differs(f"{source.collection}/{source.time}", "dates do not give the numbers of the file")


def _joined(parts: list[NDArray[Any]]) -> np.ma.MaskedArray[Any, Any]:
    data = np.concatenate([np.ma.getdata(part).ravel() for part in parts])
    return np.ma.MaskedArray(data, mask=np.concatenate([np.ma.getmaskarray(part).ravel() for part in parts]))


def _entries_first(whole: NDArray[Any], dims: tuple[str, ...], cut: tuple[str, ...]) -> NDArray[Any]:
    """`whole` with the dims that number the entries in front, in the order in which they were cut."""
    order = [dims.index(dim) for dim in cut] + [n for n, dim in enumerate(dims) if dim not in cut]
    return whole.transpose(order)


def _share(text: str) -> tuple[int, int]:
    number, of = text.split("/")
    return int(number), int(of)


def main() -> int:
    """Check what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=Path, help="the store of the fields")
    parser.add_argument("--limit", type=int, help="entries of each file that were stored (default: all)")
    parser.add_argument("--series", type=Path, help="the store of the series")
    parser.add_argument("--every", type=int, default=1, help="each n-th series was stored")
    parser.add_argument("--copies", type=int, default=1, help="copies of each series that were stored")
    parser.add_argument("--share", type=_share, default=(0, 1), help="n/of: compare each of-th copy, from n on")
    options = parser.parse_args()
    done: dict[str, Comparison] = {}
    if options.fields:
        done |= check_fields(options.fields, options.limit)
    if options.series:
        done |= check_series(options.series, options.every, options.copies, options.share)
    total: Counter[str] = Counter()
    for comparison in done.values():
        total += comparison.counts
    mismatches = [line for comparison in done.values() for line in comparison.mismatches]
    print(json.dumps({"counts": {n: c.counts for n, c in done.items()}, "mismatches": mismatches,
                      "addresses": Mapping(Path()).known}))  # fmt: skip
    return 1 if total["mismatches"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
