"""Arrays beside their peers: whole, in chunks, in parts. `make bench-arrays` runs it.

    arrays.py [--repetitions N] [--folder F]

Everything is read warm. In one repetition each row runs all of its engines, in an order
that changes; a ratio is taken within a repetition, and says how many times as fast the first
named is. Printed are medians with quartiles. The answer of every engine is compared.
"""

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import arraylog

SIDE = 1024  # of the 4 MB arrays
CUBE, CHUNK = 256, 64  # of the chunked ones: 64 MB in 64 chunks of 1 MB


def smooth():
    """Numbers as a model gives them: they compress, but not to nothing."""
    axis = np.linspace(0, 6, CUBE, dtype=np.float32)
    field = np.sin(axis)[:, None, None] + np.cos(axis)[None, :, None] * axis[None, None, :]
    noise = np.random.default_rng(1).standard_normal(field.shape, np.float32)
    return np.round(field + noise * 0.01, 3).astype(np.float32)


def best(work, count):
    """Seconds for one call: the median of `count`, each timed alone."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def row_whole(folder):
    """Reading a whole 4 MB array and adding it up; and for the first time, with its checksums."""
    data = np.random.default_rng(2).random((SIDE, SIDE), np.float32)
    np.save(folder / "a.npy", data)
    with arraylog.open(folder / "a.alog", "a") as store:
        store.partition()["a"] = data
    total = float(data.sum())

    def ours():
        return float(part.array("a").sum())

    def first():
        with arraylog.open(folder / "a.alog") as fresh:
            array = fresh.partition()
            start = time.perf_counter()
            assert float(array.array("a").sum()) == total
            return time.perf_counter() - start

    mapped = np.load(folder / "a.npy", mmap_mode="r")

    def memmap():
        return float(mapped.sum())

    store = arraylog.open(folder / "a.alog")
    part = store.partition()
    assert ours() == memmap() == total
    yield "arraylog", lambda: best(ours, 100)
    yield "numpy.memmap", lambda: best(memmap, 100)
    yield "arraylog, first read", lambda: statistics.median(first() for _ in range(20))


def row_write(folder):
    """Writing float32 arrays of 4 MB, eight files or keys, handed to the kernel; into a store,
    a folder or an environment that is there."""
    import lmdb
    from safetensors.numpy import save_file

    data = [np.random.default_rng(n).random((SIDE, SIDE), np.float32) for n in range(8)]

    def timed(work, make=lambda target: target):
        def run():
            target = Path(tempfile.mkdtemp(dir=folder))
            made = make(target)
            start = time.perf_counter()
            work(made)
            spent = time.perf_counter() - start
            if made is not target:
                made.close()
            shutil.rmtree(target)
            return spent

        return lambda: statistics.median(run() for _ in range(5))

    def ours(store):
        part = store.partition()
        for number, array in enumerate(data):
            part[f"{number}"] = array

    def npy(target):
        for number, array in enumerate(data):
            np.save(target / f"{number}.npy", array)

    def tensors(target):
        for number, array in enumerate(data):
            save_file({"a": array}, target / f"{number}.safetensors")

    def mapping(environment):
        for number, array in enumerate(data):
            with environment.begin(write=True) as transaction:
                transaction.put(f"{number}".encode(), array.data.cast("B"))

    yield "arraylog", timed(ours, lambda target: arraylog.open(target / "a.alog", "a"))
    yield "numpy.save", timed(npy)
    yield "safetensors", timed(tensors)
    environment = lambda target: lmdb.open(str(target / "lmdb"), map_size=1 << 30, sync=False)
    yield "LMDB", timed(mapping, environment)


def row_slice(codec):
    def row(folder):
        import zarr
        from zarr.codecs import ZstdCodec

        data = smooth()
        cut = tuple(slice(CUBE * 3 // 8, CUBE * 5 // 8) for _ in range(3))
        chunks = (CHUNK,) * 3
        with arraylog.open(folder / "c.alog", "a") as store:
            spec = arraylog.array(data, chunks=chunks, codec=codec)
            store.partition().write("a", {"t": spec})
        compressors = [ZstdCodec(level=3)] if codec else None
        group = zarr.create_array(
            store=str(folder / "c.zarr"),
            shape=data.shape,
            chunks=chunks,
            dtype="f4",
            compressors=compressors,
        )
        group[...] = data
        opened = arraylog.open(folder / "c.alog")
        array = opened.partition()["a"]["t"]
        peer = zarr.open_array(str(folder / "c.zarr"), mode="r")
        assert np.array_equal(array[cut], data[cut])
        assert np.array_equal(peer[cut], data[cut])
        stored = array.nbytes_stored / data.nbytes
        yield f"arraylog (stored {stored:.2f} of the bytes)", lambda: best(lambda: array[cut], 20)
        yield "zarr", lambda: best(lambda: peer[cut], 20)

    row.__doc__ = (
        f"A slice of 25 % along each axis of {CUBE}³ float32 in chunks of {CHUNK}³, "
        f"{codec or 'no codec'}: eight chunks are touched."
    )
    return row


def row_overwrite(folder):
    """Writing one chunk of 10,000 again (of 64 KiB): bytes that the file grows by, of the chunk."""
    with arraylog.open(folder / "o.alog", "a") as store:
        part = store.partition()
        spec = arraylog.array(np.zeros((1, 16384), np.float32), chunks=(1, 16384))
        part.write("a", {"t": spec})
        part.resize("a", "t", (10_000, 16384))
        chunk = np.random.default_rng(3).random((1, 16384), np.float32)
        for number in range(10_000):
            part.write_region("a", "t", (slice(number, number + 1), slice(None)), chunk)
        before = store.usage().file_bytes
        part.write_region("a", "t", (slice(77, 78), slice(None)), chunk + 1)
        grown = store.usage().file_bytes - before
        assert part["a"]["t"][77, 5] == chunk[0, 5] + 1
    yield "bytes written : bytes of the chunk", lambda: grown / chunk.nbytes


ROWS = {
    "whole": (row_whole, [("arraylog", "numpy.memmap", 0.95), ("arraylog", "arraylog, first read", None)]),
    "write": (row_write, [("arraylog", "numpy.save", 0.9), ("arraylog", "safetensors", 1), ("arraylog", "LMDB", 1)]),
    "slice": (row_slice(None), [(0, 1, 3)]),
    "slice-zstd": (row_slice("zstd:3"), [(0, 1, 3)]),
    "overwrite": (row_overwrite, []),
}


def spread(values):
    if len(values) < 4:
        return f"{statistics.median(values):.4g} [{min(values):.4g}..{max(values):.4g}]"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.4g} [{low:.4g}..{high:.4g}]"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--repetitions", type=int, default=7)
    arguments.add_argument("--folder", default="target/bench-arrays")
    arguments.add_argument("--rows", default=",".join(ROWS))
    options = arguments.parse_args()
    folder = Path(options.folder)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"arraylog {arraylog.__version__}, numpy {np.__version__}, {os.cpu_count()} cores\n")
    for name in options.rows.split(","):
        row, ratios = ROWS[name]
        place = folder / name
        place.mkdir(parents=True)
        engines = list(row(place))
        times = {label: [] for label, _ in engines}
        for _ in range(options.repetitions):
            for label, measure in random.sample(engines, len(engines)):
                times[label].append(measure())
        print(f"## {name}\n\n{row.__doc__}\n\n| engine | {'ms' if ratios else ''} |\n|---|---|")
        for label, found in times.items():
            print(f"| {label} | {spread([value * (1e3 if ratios else 1) for value in found])} |")
        for a, b, target in ratios:
            labels = list(times)
            a = labels[a] if isinstance(a, int) else a
            b = labels[b] if isinstance(b, int) else b
            found = [theirs / ours for ours, theirs in zip(times[a], times[b], strict=True)]
            verdict = "" if target is None else f", target {target}: " + (
                "met" if statistics.median(found) >= target else "missed"
            )
            print(f"\n{a} : {b} {spread(found)}{verdict}")
        print()
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
