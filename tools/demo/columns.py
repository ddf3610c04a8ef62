"""The columns once more, as NDJSON through the command line.

One file for each source: a `defaults` line that states dtype, dims and attributes of each array,
then a line an entry. A missing element is `null`; a masked array in which nothing is missing says
so by its `mask`. Attributes that JSON would change (a float32, an array) are spelt with `$dtype`.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import sources

SUFFIX = "_ndjson"


@dataclass
class Ingested:
    """One run of `arraylog ingest`."""

    collection: str
    entries: int
    nbytes: int
    seconds: float


def column_sources() -> list[sources.Source]:
    """The files that are cut into columns."""
    return [source for source in sources.SOURCES if source.entry == "column"]


def ingest(store: Path, folder: Path, limit: int | None) -> list[Ingested]:
    """Write NDJSON files to `folder` and have the command line ingest them into `store`."""
    return [_ingest(store, folder, source, limit) for source in column_sources()]


def _ingest(store: Path, folder: Path, source: sources.Source, limit: int | None) -> Ingested:
    file = folder / f"{source.collection}.ndjson"
    with file.open("w", encoding="utf-8") as out:
        count = -1  # the first line states dtypes and is no entry
        for line in lines(islice(sources.entries(source), limit)):
            out.write(json.dumps(line, allow_nan=False) + "\n")
            count += 1
    start = time.perf_counter()
    run = subprocess.run([command(), "ingest", store, file], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if run.returncode != 0:
        raise SystemExit(f"arraylog ingest {file.name} ended with exit code {run.returncode}:\n{run.stderr}")
    return Ingested(source.collection + SUFFIX, count, file.stat().st_size, seconds)


def command() -> Path:
    """The `arraylog` command that the wheel installed beside this interpreter."""
    suffix = sysconfig.get_config_var("EXE") or ""
    return Path(sysconfig.get_path("scripts")) / f"arraylog{suffix}"


def lines(entries: Iterable[sources.SourceEntry]) -> Iterator[dict[str, Any]]:
    """The NDJSON lines of entries of one file: all have the arrays of the first."""
    stated = False
    for entry in entries:
        if not stated:
            stated = True
            arrays = {name: _stated(array) for name, array in entry.arrays.items()}
            yield {"defaults": {"collection": entry.collection + SUFFIX, "arrays": arrays}}
        arrays = {name: _values(array) for name, array in entry.arrays.items()}
        attrs = {name: _attribute(value) for name, value in entry.attrs.items()}
        yield {"partition": entry.partition, "entry": entry.key, "arrays": arrays, "attrs": attrs}


def _stated(array: sources.SourceArray) -> dict[str, Any]:
    stated: dict[str, Any] = {"dtype": _dtype(array.data.dtype), "dims": list(array.dims)}
    if array.fill_value is not None:
        stated["fill_value"] = array.fill_value.item()
    stated["attrs"] = {name: _attribute(value) for name, value in array.attrs.items()}
    return stated


def _values(array: sources.SourceArray) -> Any:
    data = np.datetime_as_string(array.data) if array.data.dtype.kind == "M" else array.data
    values = data.tolist()
    if array.mask is None:
        return values
    if not array.mask.any():
        return {"data": values, "mask": array.mask.tolist()}
    elements = data.astype(object)
    elements[array.mask] = None
    return elements.tolist()


def _attribute(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return {"$dtype": _dtype(value.dtype), "$data": value.tolist()}
    return value


def _dtype(dtype: np.dtype[Any]) -> str:
    return dtype.name  # "float32", "int64", "datetime64[s]": the spelling of the NDJSON line
