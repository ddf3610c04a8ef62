"""The NetCDF files of iris-sample-data as entries: named arrays with dims, masks and attributes.

Each file is a collection; its entries are time steps, columns of water or air, years, or the whole
field; its partitions are years. An entry carries every variable of its file, cut to its place, so
that it can be read alone.

Values are those of the file, bit for bit and in the file's dtype: no file here has a
`scale_factor` or `add_offset`, and none would be applied. A variable with a `_FillValue` becomes a
masked array, also where nothing is missing. Times become dates (see `times`). The attributes of
the file are those of the entry, the attributes of a variable those of its array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import arraylog
import iris_sample_data
import netCDF4
import numpy as np
from numpy.typing import NDArray

import times

CREDIT = "Met Office, iris-sample-data, Open Government Licence"
FOLDER = Path(iris_sample_data.path)

Selection = Mapping[str, int | slice]


@dataclass(frozen=True, eq=False)
class SourceArray:
    """One array as the file has it. `mask` is True where a value is missing."""

    dims: tuple[str, ...]
    data: NDArray[Any]
    mask: NDArray[np.bool_] | None
    fill_value: Any
    attrs: dict[str, Any]

    def written(self) -> tuple[Any, ...] | arraylog.ArraySpec:
        """What `Partition.write` is given: `(dims, data, attrs)`, with a mask the longer form.

        The longer form because the fill value of the file, which may be NumPy's default, is to be
        stored whatever NumPy would do.
        """
        if self.mask is None:
            return self.dims, self.data, self.attrs
        return arraylog.array(self.data, self.dims, mask=self.mask, fill_value=self.fill_value, attrs=self.attrs)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the elements, and of the mask as bits."""
        return self.data.nbytes + (0 if self.mask is None else (self.mask.size + 7) // 8)

    @cached_property
    def form(self) -> tuple[tuple[str, ...], tuple[int, ...], np.dtype[Any]]:
        """Dims, shape, and the dtype in this machine's byte order."""
        return self.dims, self.data.shape, native(self.data.dtype)

    @cached_property
    def bits(self) -> bytes:
        """The elements' bytes in this machine's order, C order; kept, because a series is compared many times."""
        return self.data.astype(native(self.data.dtype), copy=False).tobytes()

    def select(self, selection: Selection) -> SourceArray:
        """The part at `selection`: an int takes its dim away, a slice keeps it."""
        index = tuple(selection.get(dim, slice(None)) for dim in self.dims)
        kept = tuple(dim for dim in self.dims if not isinstance(selection.get(dim), int))
        mask = None if self.mask is None else self.mask[*index, ...]
        return SourceArray(kept, self.data[*index, ...], mask, self.fill_value, self.attrs)


@dataclass(frozen=True, eq=False)
class SourceEntry:
    """One entry and where it belongs."""

    collection: str
    partition: str
    key: str
    arrays: dict[str, SourceArray]
    attrs: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def written(self) -> dict[str, tuple[Any, ...] | arraylog.ArraySpec]:
        """The arrays as `Partition.write` takes them."""
        return {name: array.written() for name, array in self.arrays.items()}


@dataclass(frozen=True)
class Source:
    """A file and how it is cut into entries."""

    file: str
    entry: Literal["time step", "column", "field", "year"]
    main: tuple[str, ...]  # the variables that were measured or modelled; the others describe them
    cut: tuple[str, ...] = ()  # the dims along which it is cut, outermost first
    time: str = "time"
    position: tuple[str, ...] = field(default=())  # the coordinates that name a column

    @property
    def collection(self) -> str:
        """The name of its collection."""
        return self.file.removesuffix(".nc")


SOURCES = (
    Source("ostia_monthly.nc", "time step", ("surface_temperature",), ("time",)),
    Source("A1B_north_america.nc", "time step", ("air_temperature",), ("time",)),
    Source("E1_north_america.nc", "time step", ("air_temperature",), ("time",)),
    Source("atlantic_profiles.nc", "column", ("salinity", "theta"), ("lat", "lon"), position=("lat", "lon")),
    Source("hybrid_height.nc", "column", ("air_potential_temperature",), ("grid_latitude", "grid_longitude"),
           position=("grid_latitude", "grid_longitude")),
    Source("orca2_votemper.nc", "field", ("votemper",), time="time_counter"),
    Source("SOI_Darwin.nc", "year", ("SOI_Darwin",), ("time",)),
)  # fmt: skip


def entries(source: Source) -> Iterator[SourceEntry]:
    """The entries of one file, in the order of their places in it."""
    arrays, attrs = read(source.file)
    for selection in _selections(source, arrays):
        cut = {name: array.select(selection) for name, array in arrays.items()}
        year = str(cut[source.time].data.ravel()[0].astype("M8[Y]"))
        yield SourceEntry(source.collection, year, _key(source, cut, year), cut, attrs)


def read(file: str) -> tuple[dict[str, SourceArray], dict[str, Any]]:
    """All variables of a file, and its attributes."""
    with netCDF4.Dataset(FOLDER / file) as dataset:
        dataset.set_auto_maskandscale(False)
        described = {v.getncattr("bounds"): v for v in dataset.variables.values() if "bounds" in v.ncattrs()}
        arrays = {name: _variable(v, described.get(name)) for name, v in dataset.variables.items()}
        return arrays, _attributes(dataset)


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """`dtype` in the byte order of this machine: a store keeps little-endian bytes whatever it was given."""
    return dtype.newbyteorder("=")


def position(entry_arrays: dict[str, SourceArray], names: tuple[str, ...]) -> str:
    """A place as text, from its coordinates: `+12.5000,-030.0000`."""
    return ",".join(f"{float(entry_arrays[name].data):+09.4f}" for name in names)


def _variable(variable: netCDF4.Variable[Any], described: netCDF4.Variable[Any] | None) -> SourceArray:
    data = np.asarray(variable[...])
    attrs = _attributes(variable)
    fill_value = attrs.get("_FillValue")
    mask = None if fill_value is None else data == fill_value
    # The bounds of a time have its units only by reference (CF conventions, 7.1).
    meaning = attrs if described is None else _attributes(described)
    if times.is_time(meaning):
        data = times.decode(data, meaning)
    return SourceArray(tuple(variable.dimensions), data, mask, fill_value, attrs)


def _attributes(holder: Any) -> dict[str, Any]:
    return {name: holder.getncattr(name) for name in holder.ncattrs()}


def _selections(source: Source, arrays: dict[str, SourceArray]) -> Iterator[Selection]:
    if source.entry == "year":
        years = arrays[source.time].data.astype("M8[Y]")
        starts = [0, *(np.flatnonzero(years[1:] != years[:-1]) + 1).tolist(), len(years)]
        yield from ({source.time: slice(a, b)} for a, b in pairwise(starts))
        return
    sizes = [arrays[dim].data.size for dim in source.cut]
    for place in np.ndindex(*sizes):
        yield dict(zip(source.cut, place, strict=True))


def _key(source: Source, cut: dict[str, SourceArray], year: str) -> str:
    match source.entry:
        case "time step":
            return str(cut[source.time].data)
        case "column":
            return position(cut, source.position)
        case "year":
            return year
        case "field":
            return source.main[0]
