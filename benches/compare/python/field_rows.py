"""The row of entries of many small fields."""

from __future__ import annotations

import shutil
import time
import warnings
from contextlib import ExitStack

import numpy as np

import arraylog
from measuring import Ratio, Row, bytes_on_disk, each

COUNT = 100_000
BATCH = 1_000
# What an entry has: numbers of 8 bytes, texts of 20, arrays of 50 float32.
SCALARS, TEXTS, ARRAYS = 100, 30, 20
RAW = SCALARS * 8 + TEXTS * 20 + ARRAYS * 50 * 4
# Entries of the peers, which are slow; their figures are those of one entry.
IN_ZARR, IN_HDF5 = 5, 50
# Different entries: they are made before, and stored again under other keys.
DIFFERENT = 500
# Entries that one field is read of.
READ = 20_000
# The field of each kind that is read: neither the first nor the last of its kind.
FIELD = 7
# Plain values that are read beside: small ones, and such as lie as far apart as entries.
VALUES = {"get": bytes(range(100)), "large": (bytes(range(250)) * 22)[:RAW]}


def key_of(number):
    return f"entry-{number:08}"


def text(number, part):
    return f"text-{number:08}-{part:06}"


def fields(number):
    """150 fields by name."""
    floats = np.random.default_rng(number).random((ARRAYS, 50), np.float32)
    scalars = {f"scalar_{i}": number + i / 7 for i in range(SCALARS)}
    texts = {f"text_{i}": text(number, i) for i in range(TEXTS)}
    return scalars | texts | {f"array_{i}": row.copy() for i, row in enumerate(floats)}


def in_store(entries, folder, count):
    with arraylog.open(folder / "data.alog", "x") as store:
        for first in range(0, count, BATCH):
            with store.batch() as batch:
                part = batch.partition("collection", "partition")
                for number in range(first, min(first + BATCH, count)):
                    part.write(key_of(number), entries[number % len(entries)])


def in_zarr(entries, folder, count, attributes):
    """A group for each entry: an array for each field; or numbers and texts as attributes."""
    import zarr

    root = zarr.open_group(str(folder / "data.zarr"), mode="w", zarr_format=3)
    for number in range(count):
        entry = entries[number % len(entries)]
        small = {name: value for name, value in entry.items() if not isinstance(value, np.ndarray)}
        group = root.create_group(key_of(number), attributes=small if attributes else None)
        for name, value in entry.items():
            if isinstance(value, np.ndarray):
                group.create_array(name, data=value, compressors=None)
            elif isinstance(value, str) and not attributes:
                array = group.create_array(name, shape=(), dtype=str, compressors=None)
                array[...] = value
            elif not attributes:
                group.create_array(name, data=np.asarray(value), compressors=None)


def in_hdf5(entries, folder, count, attributes):
    """As in Zarr: a dataset for each field, or attributes."""
    import h5py

    with h5py.File(folder / "data.h5", "w", libver="latest") as file:
        for number in range(count):
            group = file.create_group(key_of(number))
            for name, value in entries[number % len(entries)].items():
                if attributes and not isinstance(value, np.ndarray):
                    group.attrs[name] = value
                else:
                    group.create_dataset(name, data=value)


def check_peer(name, folder, entries, number, attributes):
    """Ends the run if the peer does not give back the fields of an entry."""
    if name == "zarr":
        import zarr

        group = zarr.open_group(str(folder / "data.zarr"), mode="r")[key_of(number)]
        close = lambda: None
    else:
        import h5py

        file = h5py.File(folder / "data.h5", "r")
        group, close = file[key_of(number)], file.close
    for field, value in entries[number % len(entries)].items():
        if attributes and not isinstance(value, np.ndarray):
            found = group.attrs[field]
        else:
            found = group[field][()]
        found = found.decode() if isinstance(found, bytes) else found
        assert np.array_equal(np.asarray(found).astype(np.asarray(value).dtype), value), (name, field, found)
    close()


def make(folder, count):
    # Zarr warns of each text that other implementations may not read it.
    warnings.filterwarnings("ignore", module="zarr")
    entries = [fields(number) for number in range(min(DIFFERENT, count))]
    for name, value in VALUES.items():
        with arraylog.open(folder / f"{name}.alog", "x") as store:
            for first in range(0, count, BATCH):
                with store.batch() as batch:
                    part = batch.partition()
                    for number in range(first, min(first + BATCH, count)):
                        part.put(key_of(number), value)

    def ingest(place, work, count):
        """Writes to an empty folder, closed at the end; µs and bytes of an entry."""
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        start = time.perf_counter()
        work(place, count)
        spent = time.perf_counter() - start
        return {"ingest": spent / count * 1e6, "stored": bytes_on_disk(place) / (count * RAW)}

    def ours():
        place = folder / "ours"
        measured = ingest(place, lambda place, count: in_store(entries, place, count), count)
        measured |= read(place / "data.alog", folder, entries, count)
        shutil.rmtree(place)
        return measured

    def peer(name, work, count, attributes):
        place = folder / name

        def run():
            measured = ingest(place, lambda place, count: work(entries, place, count, attributes), count)
            check_peer(name, place, entries, count - 1, attributes)
            shutil.rmtree(place)
            return measured

        return run

    yield "arraylog", ours
    for name, work, most in (("zarr", in_zarr, IN_ZARR), ("hdf5", in_hdf5, IN_HDF5)):
        few = min(most, count)
        yield name, peer(name, work, few, False)
        yield f"{name}, attributes", peer(name, work, few, True)


def read(path, folder, entries, count):
    """One field of entries in random order, and plain values."""
    numbers = np.random.default_rng(4).permutation(count)[:READ].tolist()
    keys = [key_of(number) for number in numbers]
    with ExitStack() as stack:

        def opened(path):
            return stack.enter_context(arraylog.open(path))

        array = opened(path).partition("collection", "partition").array
        reads = {}
        for kind in ("scalar", "text", "array"):
            name = f"{kind}_{FIELD}"
            for number, key in zip(numbers, keys, strict=True):
                assert np.array_equal(array(key, name), entries[number % len(entries)][name]), (key, name)
            reads[kind] = lambda key, name=name: array(key, name)
        for name, expected in VALUES.items():
            value = opened(folder / f"{name}.alog").partition().value
            assert all(bytes(value(key)) == expected for key in keys)
            # Called as the others are.
            reads[name] = lambda key, value=value: value(key)
        return each(reads, keys)


ROWS = {
    "fields": Row(
        f"{COUNT:,} entries (--entries) of 150 fields (100 numbers of 8 B, 30 texts of 20 B, 20 arrays of 50 "
        f"float32: {RAW:,} B), batches of {BATCH:,}, until closed; then one field of {READ:,} of them by key to "
        "NumPy, random, warm, beside a plain value of 100 B from a store of as many, and of 5,400 B (large), which lie "
        "as far apart as entries. Zarr 3 and HDF5: a group for each entry, an array for each field, or numbers and "
        f"texts as attributes; {IN_ZARR} and {IN_HDF5} entries, scaled to one.",
        make,
        {
            "ingest": "µs an entry",
            "stored": "B on disk for a byte of the values",
            "scalar": "µs",
            "text": "µs",
            "array": "µs",
            "get": "µs, plain value of 100 B",
            "large": "µs, plain value of 5,400 B",
        },
        [
            Ratio(("arraylog", "stored"), 1.0, 1.4, much=True),
            Ratio(("arraylog", "ingest"), ("zarr", "ingest"), 5),
            Ratio(("arraylog", "ingest"), ("zarr, attributes", "ingest"), 5),
            Ratio(("arraylog", "ingest"), ("hdf5", "ingest"), 5),
            Ratio(("arraylog", "ingest"), ("hdf5, attributes", "ingest"), 5),
            Ratio(("arraylog", "scalar"), ("arraylog", "get"), 1.5, much=True),
            Ratio(("arraylog", "text"), ("arraylog", "get"), 1.5, much=True),
            Ratio(("arraylog", "array"), ("arraylog", "get"), 1.5, much=True),
            Ratio(("arraylog", "scalar"), ("arraylog", "large"), much=True),
        ],
    ),
}
