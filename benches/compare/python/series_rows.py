"""The row of many short series, which compress well together and badly alone."""

from __future__ import annotations

import shutil

import numpy as np

import arraylog
from measuring import Ratio, Row, bytes_on_disk, each

COUNT = 20_000
LENGTH = 256  # float32: 1 KiB
# Records that are read.
READ = 2_000
PLACE = ("collection", "series")
# Of zstd, for the figure `level`.
LEVEL = 19


def key_of(number):
    return f"station-{number:06}"


def series(count):
    """Hourly temperatures of stations, to a tenth of a degree as they report them: a mean, the course of the day, and
    weather that drifts. The same in every process."""
    random = np.random.default_rng(5)
    hours = np.arange(LENGTH, dtype=np.float32)
    mean = random.normal(12, 8, (count, 1)).astype(np.float32)
    swing = random.uniform(1, 8, (count, 1)).astype(np.float32)
    phase = random.uniform(0, 24, (count, 1)).astype(np.float32)
    weather = random.normal(0, 0.15, (count, LENGTH)).astype(np.float32).cumsum(axis=1)
    found = mean + swing * np.sin((hours + phase) * np.float32(np.pi / 12)) + weather
    return np.round(found, 1).astype(np.float32)


def make(folder, count):
    from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

    data = series(min(count, COUNT))
    count = len(data)
    path = folder / "data.alog"
    with arraylog.open(path, "x") as store:
        store.create_partition(*PLACE, codec="zstd:3")
        with store.batch() as batch:
            part = batch.partition(*PLACE)
            for number, values in enumerate(data):
                part.write(key_of(number), {"t": values})
    before = bytes_on_disk(path) / count
    with arraylog.open(path, "a") as store:
        store.compact()
    stored = bytes_on_disk(path) / count
    dense = folder / "dense.alog"
    shutil.copyfile(path, dense)
    with arraylog.open(dense, "a") as store:
        store.compact(level=LEVEL)
    level = bytes_on_disk(dense) / count

    records = folder / "data.array_record"
    writer = ArrayRecordWriter(str(records), "group_size:256,zstd:3")
    for values in data:
        writer.write(values.tobytes())
    writer.close()

    numbers = np.random.default_rng(6).permutation(count)[:READ].tolist()
    keys = [key_of(number) for number in numbers]
    array = arraylog.open(path).partition(*PLACE).array
    reader = ArrayRecordReader(str(records), "readahead_buffer_size:0")
    assert reader.num_records() == count
    frombuffer, dtype = np.frombuffer, np.dtype("f4")

    def record(number):
        return frombuffer(reader.read([number])[0], dtype)

    for number, key in zip(numbers, keys, strict=True):
        assert np.array_equal(array(key, "t"), data[number])
        assert np.array_equal(record(number), data[number])
    elements = sum(part_of.nbytes_stored for part_of in arrays_of(path, keys)) / len(keys)
    yield (
        "arraylog",
        lambda: {
            **each({"read": lambda key: array(key, "t")}, keys),
            "stored": stored,
            "level": level,
            "before": before,
            "elements": elements,
        },
    )
    yield (
        "array_record",
        lambda: {**each({"read": record}, numbers), "stored": bytes_on_disk(records) / count},
    )


def arrays_of(path, keys):
    with arraylog.open(path) as store:
        part = store.partition(*PLACE)
        yield from (part[key]["t"] for key in keys)


ROWS = {
    "series": Row(
        f"{COUNT:,} series (--entries, at most) of {LENGTH} float32, 1 KiB, each an entry of a partition with the "
        f"codec zstd:3, compacted; {READ:,} of them read one by one, random, warm. array_record: zstd:3, "
        "group_size:256. elements: what is stored of the array alone.",
        make,
        {
            "read": "µs",
            "stored": "B on disk a record",
            "level": f"the same by compact(level={LEVEL})",
            "before": "the same before compaction",
            "elements": "B a record",
        },
        [
            Ratio(("arraylog", "stored"), ("array_record", "stored"), 1.15, much=True),
            Ratio(("arraylog", "elements"), ("array_record", "stored"), much=True),
            Ratio(("arraylog", "read"), ("array_record", "read"), 5),
        ],
    ),
}
