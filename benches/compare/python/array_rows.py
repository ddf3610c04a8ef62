"""Rows of whole arrays, arrays in chunks and parts of them."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import arraylog
from measuring import Ratio, Row, best

SIDE = 1024  # of the 4 MB arrays
CUBE, CHUNK = 256, 64  # of the chunked ones: 64 MB in 64 chunks of 1 MB


def smooth():
    """Numbers as a model gives them: they compress, but not to nothing."""
    axis = np.linspace(0, 6, CUBE, dtype=np.float32)
    field = np.sin(axis)[:, None, None] + np.cos(axis)[None, :, None] * axis[None, None, :]
    noise = np.random.default_rng(1).standard_normal(field.shape, np.float32)
    return np.round(field + noise * 0.01, 3).astype(np.float32)


def timed(work, count):
    return lambda: {"time": best(work, count)}


def whole(folder, _):
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
            return (time.perf_counter() - start) * 1e3

    mapped = np.load(folder / "a.npy", mmap_mode="r")

    def memmap():
        return float(mapped.sum())

    store = arraylog.open(folder / "a.alog")
    part = store.partition()
    assert ours() == memmap() == total
    yield "arraylog", timed(ours, 100)
    yield "numpy.memmap", timed(memmap, 100)
    yield "arraylog, first read", lambda: {"time": statistics.median(first() for _ in range(20))}


def write(folder, _):
    import lmdb
    from safetensors.numpy import save_file

    data = [np.random.default_rng(n).random((SIDE, SIDE), np.float32) for n in range(8)]

    def writing(work, make=lambda target: target):
        def run():
            target = Path(tempfile.mkdtemp(dir=folder))
            made = make(target)
            start = time.perf_counter()
            work(made)
            spent = time.perf_counter() - start
            if made is not target:
                made.close()
            shutil.rmtree(target)
            return spent * 1e3

        return lambda: {"time": statistics.median(run() for _ in range(5))}

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

    yield "arraylog", writing(ours, lambda target: arraylog.open(target / "a.alog", "a"))
    yield "numpy.save", writing(npy)
    yield "safetensors", writing(tensors)
    environment = lambda target: lmdb.open(str(target / "lmdb"), map_size=1 << 30, sync=False)
    yield "LMDB", writing(mapping, environment)


def slice_of(codec):
    def make(folder, _):
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
        yield "arraylog", lambda: {"time": best(lambda: array[cut], 20), "stored": stored}
        if codec:
            without = arraylog.open(folder / "c.alog", chunk_cache=0).partition()["a"]["t"]
            yield "arraylog, chunk_cache=0", timed(lambda: without[cut], 20)
        yield "zarr", timed(lambda: peer[cut], 20)

    ratios = [Ratio(("arraylog", "time"), ("zarr", "time"), 3)]
    if codec:
        ratios.append(Ratio(("arraylog, chunk_cache=0", "time"), ("zarr", "time")))
    return Row(
        f"A slice of 25 % along each axis of {CUBE}³ float32 in chunks of {CHUNK}³, "
        f"{codec or 'no codec'}: eight chunks are touched, again and again.",
        make,
        {"time": "ms", "stored": "B for a byte of elements"},
        ratios,
    )


def overwrite(folder, _):
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
    yield "arraylog", lambda: {"grown": grown / chunk.nbytes}


ROWS = {
    "whole": Row(
        "Reading a whole 4 MB array and adding it up; and for the first time, with its checksums.",
        whole,
        {"time": "ms"},
        [
            Ratio(("arraylog", "time"), ("numpy.memmap", "time"), 0.95),
            Ratio(("arraylog", "time"), ("arraylog, first read", "time")),
        ],
    ),
    "write": Row(
        "Writing float32 arrays of 4 MB, eight files or keys, handed to the kernel; into a store, "
        "a folder or an environment that is there.",
        write,
        {"time": "ms"},
        [
            Ratio(("arraylog", "time"), ("numpy.save", "time"), 0.9),
            Ratio(("arraylog", "time"), ("safetensors", "time"), 1),
            Ratio(("arraylog", "time"), ("LMDB", "time"), 1),
        ],
    ),
    "slice": slice_of(None),
    "slice-zstd": slice_of("zstd:3"),
    "overwrite": Row(
        "Writing one chunk of 10,000 again (of 64 KiB): bytes that the file grows by, of the chunk.",
        overwrite,
        {"grown": "B for a byte of the chunk"},
        [],
    ),
}
