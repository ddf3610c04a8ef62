"""Writing to parts of stored arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from ._array import SMALL, Array
from ._convert import elements
from ._entry import Entry
from ._errors import DTypeError, ShapeError
from ._spec import ArraySpec

if TYPE_CHECKING:
    import numpy as np

    from ._partition import Partition


class ArrayEditor:
    """One array of an entry to read and write, as ``part.edit(key, name)`` gives it.

    It is live: each use looks at the latest version, and ``editor[index] = data``
    is one commit (:meth:`Partition.write_region`). A library that writes an array
    piece by piece, ``dask.array.store`` for one, takes it for one in memory.
    """

    __slots__ = ("_key", "_name", "_part")

    def __init__(self, part: Partition, key: str | bytes, name: str) -> None:
        self._part = part
        self._key = key
        self._name = name
        # KeyError now rather than at the first use.
        self._latest()

    def _latest(self) -> Array:
        return Entry(self._part, self._key)[self._name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, of the latest version."""
        return self._latest().shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._latest().ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type as NumPy has it."""
        return self._latest().dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Length of a chunk along each axis; None if the array is not chunked."""
        return self._latest().chunks

    def __len__(self) -> int:
        return len(self._latest())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._latest())

    def __getitem__(self, index: Any, /) -> Any:
        return self._latest()[index]

    def __setitem__(self, index: Any, data: Any, /) -> None:
        self._part.write_region(self._key, self._name, index, data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._latest().__array__(dtype, copy)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ArrayEditor cannot be pickled: pickle the partition, and edit() again")

    def __repr__(self) -> str:
        return f"<arraylog.ArrayEditor {self._key!r} {self._name!r}>"


def write_region(part: Partition, key: str | bytes, name: str, index: Any, data: Any) -> None:
    """The job of :meth:`Partition.write_region`."""
    from ._indexing import region

    array = Entry(part, key)[name]
    spans, shape, backwards = region(index, array.shape)
    spec = _of_dtype(array, data)
    counts = tuple(count for _, _, count in spans)
    spec._data = _fitted(array, spec, spec._data, shape, backwards, counts)
    if spec._mask is not None:
        spec._mask = _fitted(array, spec, spec._mask, shape, backwards, counts)
    spec._shape = counts
    part._write_region(key, name, spans, spec)


def append(part: Partition, key: str | bytes, name: str, data: Any, axis: int) -> None:
    """The job of :meth:`Partition.append`."""
    array = Entry(part, key)[name]
    ndim = array.ndim
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ShapeError(f"array {name!r}: axis {axis} of an array of {ndim} axes")
    spec = _of_dtype(array, data)
    if len(spec.shape) != ndim:
        raise ShapeError(f"array {name!r} has {ndim} axes, and the data to append {len(spec.shape)}: {spec.shape}")
    part._append(key, name, axis % ndim, spec)


def resize(part: Partition, key: str | bytes, name: str, shape: Any) -> None:
    """The job of :meth:`Partition.resize`."""
    try:
        lengths = [operator.index(shape)]
    except TypeError:
        lengths = [operator.index(length) for length in shape]
    if not all(0 <= length < 1 << 63 for length in lengths):
        raise ShapeError(f"array {name!r}: {tuple(lengths)} is no shape")
    part._resize(key, name, lengths)


def _of_dtype(array: Array, data: Any) -> ArraySpec:
    """The data in the form in which they are stored, of the dtype of the array.

    What has a dtype has to have that one; Python's own objects become of it, exactly.
    """
    import numpy as np

    label = f"array {array.name!r}"
    name = array._dtype_name
    if data is np.ma.masked:
        empty: Any = "" if name == "string" else b"" if name == "bytes" else np.zeros((), array.dtype)
        spec = elements(label, empty)
        spec._mask = np.ones((), dtype=bool)
    elif isinstance(data, ArraySpec):
        # A copy: its own data and shape stay as they are.
        spec = ArraySpec(data._dtype_name, data._shape, data._data, data._mask, None)
    elif isinstance(data, list) or _is_plain(data) or (isinstance(data, (str, bytes)) and array.dtype.kind in "SUTO"):
        # NumPy's scalars of text too: what their dtype says is how long that one is.
        wanted = name if name in ("string", "bytes", *SMALL) else array.dtype
        spec = elements(label, data, wanted)
    else:
        # An object array without elements does not say what it holds.
        is_object = not isinstance(data, Array) and getattr(getattr(data, "dtype", None), "kind", None) == "O"
        spec = elements(label, data, name if is_object and name in ("string", "bytes") else None)
    if spec._dtype_name != name:
        raise DTypeError(f"{label} has dtype {name}, the data {spec._dtype_name}; astype() or array(dtype=) converts them")
    spec._fill_value = None
    return spec


def _is_plain(data: Any) -> bool:
    import datetime as dt

    import numpy as np

    return isinstance(data, (bool, int, float, complex, str, bytes, dt.date, dt.timedelta)) and not isinstance(data, np.generic)


def _fitted(
    array: Array, spec: ArraySpec, data: Any, shape: tuple[int, ...], backwards: list[int], counts: tuple[int, ...]
) -> Any:
    """The data, or their mask, broadcast to ``shape`` and in the order of the array."""
    import numpy as np

    is_list = isinstance(data, list)
    if is_list:
        items = np.empty(len(data), dtype=object)
        items[:] = data
        data = items
    fitted = np.asarray(data).reshape(spec.shape)
    # As in NumPy, axes of length 1 before the others may be too many.
    extra = fitted.ndim - len(shape)
    if extra > 0 and all(length == 1 for length in fitted.shape[:extra]):
        fitted = fitted.reshape(fitted.shape[extra:])
    try:
        fitted = np.broadcast_to(fitted, shape)
    except ValueError:
        raise ShapeError(
            f"array {array.name!r}: data of shape {spec.shape} cannot be broadcast to the part that is written, of shape {shape}"
        ) from None
    if backwards:
        fitted = np.flip(fitted, tuple(backwards))
    # ascontiguousarray() gives an array without axes one.
    return fitted.ravel().tolist() if is_list else np.ascontiguousarray(fitted).reshape(counts)
