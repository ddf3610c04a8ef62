"""One measurement of the Python rows: writes entries, opens them anew, reads them warm.

    bench_python.py ROW ENGINE --folder FOLDER [--seed N] [--part PER_MILLE]

Prints one JSON line: the figures (medians of passes, microseconds per entry) and the
versions used. Every value read in the warm-up pass is compared with what was written.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import io
import json
import pickle
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PASSES = 5
COUNT = 20_000
ENTRY_COUNT = 2_000
# np.load takes milliseconds for such an entry.
NPZ_COUNT = 200

Read = Callable[[str], Any]


@dataclass(frozen=True)
class Figure:
    """How to read one entry, and what must come back."""

    name: str
    read: Read
    expected: Callable[[int], Any]


def key_of(number: int) -> str:
    return f"entry-{number:010}"


# Data: the same in every process.


def floats(number: int, count: int = 256) -> np.ndarray:
    return np.random.default_rng(number).random(count, dtype=np.float32)


def masked(number: int) -> np.ma.MaskedArray:
    mask = np.random.default_rng(number + 1).random(256) < 0.1
    return np.ma.MaskedArray(floats(number), mask=mask)


def text(number: int, part: int = 0) -> str:
    return f"text-{number:08}-{part:06}"


def texts(number: int) -> list[str]:
    return [text(number, part) for part in range(16)]


def fields(number: int) -> dict[str, Any]:
    """150 fields: 100 scalars, 30 strings of 20 bytes, 20 arrays of 50 float32."""
    scalars = {f"scalar_{i}": number + i / 7 for i in range(100)}
    strings = {f"string_{i}": text(number, i) for i in range(30)}
    arrays = {f"array_{i}": floats(number * 20 + i, 50) for i in range(20)}
    return scalars | strings | arrays


# Places that entries are kept in: each writes all of them and opens anew.


def in_store(folder: Path, count: int, make: Callable[[int], dict[str, Any]]) -> Any:
    """The partition of an arraylog store, open for reading."""
    import arraylog

    path = folder / "data.alog"
    with arraylog.open(path, "x") as store, store.batch() as batch:
        writes = batch.partition("collection", "partition")
        for number in range(count):
            writes.write(key_of(number), make(number))
    return arraylog.open(path).partition("collection", "partition")


def in_lmdb(folder: Path, count: int, make: Callable[[int], bytes]) -> Read:
    """The `get` of a read transaction that lends buffers."""
    import lmdb

    settings: dict[str, Any] = {"map_size": 4 << 30, "sync": False, "subdir": True}
    with lmdb.open(str(folder / "lmdb"), **settings) as environment, environment.begin(write=True) as transaction:
        for number in range(count):
            transaction.put(key_of(number).encode(), make(number))
    get = lmdb.open(str(folder / "lmdb"), readonly=True, **settings).begin(buffers=True).get
    return lambda key: get(key.encode())


def in_dict(count: int, make: Callable[[int], bytes]) -> Read:
    """A dict of memoryviews of one block: nothing can be faster."""
    parts = [make(number) for number in range(count)]
    block = memoryview(b"".join(parts))
    views: dict[str, memoryview] = {}
    start = 0
    for number, part in enumerate(parts):
        views[key_of(number)] = block[start : start + len(part)]
        start += len(part)
    return views.__getitem__


def in_peer(engine: str, folder: Path, count: int, make: Callable[[int], bytes]) -> Read:
    return in_dict(count, make) if engine == "dict" else in_lmdb(folder, count, make)


# Rows.


def row_array(engine: str, folder: Path, count: int) -> list[Figure]:
    if engine == "arraylog":
        part = in_store(folder, count, lambda number: {"x": floats(number)})
        array, asarray = part.array, np.asarray
        return [
            Figure("array", lambda key: array(key, "x"), floats),
            Figure("entry", lambda key: asarray(part[key]["x"]), floats),
        ]
    get, frombuffer, dtype = in_peer(engine, folder, count, lambda n: floats(n).tobytes()), np.frombuffer, np.dtype("f4")
    return [Figure("array", lambda key: frombuffer(get(key), dtype), floats)]


def row_masked(engine: str, folder: Path, count: int) -> list[Figure]:
    if engine == "arraylog":
        array = in_store(folder, count, lambda number: {"x": masked(number)}).array
        return [Figure("array", lambda key: array(key, "x"), masked)]

    def encode(number: int) -> bytes:
        value = masked(number)
        return value.data.tobytes() + np.packbits(value.mask, bitorder="little").tobytes()

    get, frombuffer, unpackbits, made = in_peer(engine, folder, count, encode), np.frombuffer, np.unpackbits, np.ma.MaskedArray

    def read(key: str) -> Any:
        buffer = get(key)
        mask = unpackbits(frombuffer(buffer, np.uint8, offset=1024), bitorder="little").view(bool)
        return made(frombuffer(buffer, np.float32, 256), mask=mask)

    return [Figure("array", read, masked)]


def row_string(engine: str, folder: Path, count: int) -> list[Figure]:
    dtype = np.dtypes.StringDType()
    if engine == "arraylog":
        part = in_store(folder, count, lambda number: {"x": text(number)})
        array = part.array
        return [
            Figure("item", lambda key: part[key]["x"].item(), text),
            Figure("array", lambda key: array(key, "x"), text),
        ]
    get, made = in_peer(engine, folder, count, lambda number: text(number).encode()), np.array
    return [
        Figure("item", lambda key: str(get(key), "utf-8"), text),
        Figure("array", lambda key: made(str(get(key), "utf-8"), dtype), text),
    ]


def row_strings(engine: str, folder: Path, count: int) -> list[Figure]:
    dtype = np.dtypes.StringDType()
    if engine == "arraylog":
        array = in_store(folder, count, lambda number: {"x": np.array(texts(number), dtype)}).array
        return [Figure("array", lambda key: array(key, "x"), texts)]
    import msgpack

    get, made, unpack = in_peer(engine, folder, count, lambda n: msgpack.packb(texts(n))), np.array, msgpack.unpackb
    return [Figure("array", lambda key: made(unpack(get(key)), dtype), texts)]


def row_entry(engine: str, folder: Path, count: int) -> list[Figure]:
    if engine == "arraylog":
        part = in_store(folder, count, fields)
        return [Figure("dict", lambda key: part[key].to_dict(), fields)]
    encode, decode = ENTRY_CODECS[engine]()
    get = in_lmdb(folder, count, lambda number: encode(fields(number)))
    return [Figure("dict", lambda key: decode(get(key)), fields)]


def pickle_codec() -> tuple[Callable[..., bytes], Callable[..., Any]]:
    return lambda entry: pickle.dumps(entry, protocol=5), pickle.loads


def msgpack_codec() -> tuple[Callable[..., bytes], Callable[..., Any]]:
    import msgpack

    def decode(buffer: Any) -> dict[str, Any]:
        frombuffer, dtype = np.frombuffer, np.dtype("f4")
        entry = msgpack.unpackb(buffer)
        return {name: frombuffer(field, dtype) if type(field) is bytes else field for name, field in entry.items()}

    return lambda entry: msgpack.packb(entry, default=lambda array: array.tobytes()), decode


def npz_codec() -> tuple[Callable[..., bytes], Callable[..., Any]]:
    def encode(entry: dict[str, Any]) -> bytes:
        file = io.BytesIO()
        np.savez(file, **entry)
        return file.getvalue()

    def decode(buffer: Any) -> dict[str, Any]:
        with np.load(io.BytesIO(buffer)) as arrays:
            return dict(arrays)

    return encode, decode


ENTRY_CODECS = {"lmdb-pickle": pickle_codec, "lmdb-msgpack": msgpack_codec, "lmdb-npz": npz_codec}

ROWS = {
    "py-array": row_array,
    "py-masked": row_masked,
    "py-string": row_string,
    "py-strings": row_strings,
    "py-entry": row_entry,
}


# Measuring.


def check(found: Any, expected: Any, where: str) -> None:
    """Ends the process if a value is not what was written."""
    if isinstance(expected, dict):
        if list(found) != list(expected):
            raise SystemExit(f"{where}: expected the fields {list(expected)}, found {list(found)}")
        for name, value in expected.items():
            check(found[name], value, f"{where}, {name}")
        return
    same = np.array_equal(np.ma.getdata(found), np.ma.getdata(expected))
    if isinstance(expected, np.ma.MaskedArray):
        same = isinstance(found, np.ma.MaskedArray) and np.array_equal(found.mask, expected.mask)
        same = same and np.array_equal(found.compressed(), expected.compressed())
    if not same:
        raise SystemExit(f"{where}: expected {expected!r}, found {found!r}")


def measure(figure: Figure, numbers: list[int]) -> float:
    """Microseconds per entry: a checked warm-up pass, then the median of timed ones."""
    for number in numbers:
        check(figure.read(key_of(number)), figure.expected(number), f"{figure.name} of {key_of(number)}")
    keys = [key_of(number) for number in numbers]
    gc.collect()
    gc.disable()
    times = [timed(figure.read, keys) for _ in range(PASSES)]
    gc.enable()
    return statistics.median(times)


def timed(read: Read, keys: list[str]) -> float:
    start = time.perf_counter()
    for key in keys:
        read(key)
    return (time.perf_counter() - start) / len(keys) * 1e6


def stored_bytes(folder: Path) -> int:
    """Bytes on the disk; LMDB's lock file is none of its data."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock.mdb")
    return sum(path.stat().st_blocks * 512 for path in files)


def versions(names: Iterable[str]) -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in names:
        try:
            found[f"{name} (Python)"] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def count_of(row: str, engine: str) -> int:
    if row != "py-entry":
        return COUNT
    return NPZ_COUNT if engine == "lmdb-npz" else ENTRY_COUNT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("engine")
    parser.add_argument("--folder", type=Path, required=True, help="an existing, empty folder")
    parser.add_argument("--seed", type=int, default=0, help="of the order of reading")
    parser.add_argument("--part", type=int, default=1000, help="of the entries, in a thousand")
    arguments = parser.parse_args()

    count = max(1, count_of(arguments.row, arguments.engine) * arguments.part // 1000)
    figures = ROWS[arguments.row](arguments.engine, arguments.folder, count)
    numbers = list(range(count))
    random.Random(arguments.seed).shuffle(numbers)
    answer = {figure.name: measure(figure, numbers) for figure in figures}
    if arguments.row == "py-entry":
        answer["stored"] = stored_bytes(arguments.folder) / count
    print(json.dumps({"figures": answer, "versions": versions(["arraylog", "numpy", "lmdb", "msgpack"])}))


if __name__ == "__main__":
    main()
