"""Writing to parts of stored arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from ._array import SMALL, Array
from ._convert import elements
from ._entry import Entry
from ._errors import DTypeError, ShapeError
from ._spec import ArraySpec

if TYPE_CHECKING:
    import numpy as np

    from ._batch import BatchPartition
    from ._partition import Partition
    from ._points import Selected


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


class Described:
    """What has to be known of an array that is changed."""

    __slots__ = ("_dtype_name", "dtype", "name", "shape")

    def __init__(self, name: str, dtype: np.dtype[Any], dtype_name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.dtype = dtype
        self._dtype_name = dtype_name
        self.shape = shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


def write_region(part: Partition | BatchPartition, key: str | bytes, name: str, index: Any, data: Any) -> None:
    """The job of :meth:`Partition.write_region`."""
    from ._indexing import region

    array = part._array(key, name)
    try:
        selected = region(index, array.shape)
    except IndexError as error:
        error.add_note(f"array {name!r} has shape {array.shape}")
        raise
    spec = _of_dtype(array, data)
    spec._data = _fitted(array, spec, spec._data, selected)
    if spec._mask is not None:
        spec._mask = _fitted(array, spec, spec._mask, selected)
    spec._shape = selected.counts
    part._write_region(key, name, selected.spans, spec, selected.axes, selected.places.tobytes())


def append(part: Partition | BatchPartition, key: str | bytes, name: str, data: Any, axis: int) -> None:
    """The job of :meth:`Partition.append`."""
    array = part._array(key, name)
    ndim = array.ndim
    axis = _int(axis, f"array {name!r}: the axis to append along")
    if not -ndim <= axis < ndim:
        raise ShapeError(f"array {name!r} cannot be appended to along axis {axis}: it has {ndim} axes, shape {array.shape}")
    spec = _of_dtype(array, data)
    axis %= ndim
    others = array.shape[:axis] + array.shape[axis + 1 :]
    if len(spec.shape) != ndim or spec.shape[:axis] + spec.shape[axis + 1 :] != others:
        raise ShapeError(
            f"array {name!r} of shape {array.shape}: data of shape {spec.shape} cannot be appended along axis {axis}, "
            "which takes as many axes, and but for that one of the same lengths"
        )
    part._append(key, name, axis, spec)


def resize(part: Partition | BatchPartition, key: str | bytes, name: str, shape: Any) -> None:
    """The job of :meth:`Partition.resize`."""
    label = f"array {name!r}: a shape to resize to"
    if hasattr(type(shape), "__index__"):
        lengths = [_int(shape, label)]
    elif isinstance(shape, Iterable) and not isinstance(shape, (str, bytes)):
        lengths = [_int(length, f"{label} has lengths, each of which") for length in shape]
    else:
        raise TypeError(f"{label} is an int or has one for each axis, not {shape!r} of type {type(shape).__name__}")
    if not all(0 <= length < 1 << 63 for length in lengths):
        raise ShapeError(f"array {name!r}: {tuple(lengths)} is no shape to resize to: lengths are from 0 to 2^63 - 1")
    part._resize(key, name, lengths)


def _int(value: Any, label: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{label} is an int, not {value!r} of type {type(value).__name__}") from None


def _of_dtype(array: Array | Described, data: Any) -> ArraySpec:
    """The data in the form in which they are stored, of the dtype of the array.

    What has a dtype has to have that one; Python's own objects become of it, exactly.
    """
    import numpy as np

    label = f"array {array.name!r}"
    name = array._dtype_name
    if data is None:
        raise TypeError(f"{label}: None is no data; numpy.ma.masked makes elements missing, of an array with a mask")
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


def _fitted(array: Array | Described, spec: ArraySpec, data: Any, selected: Selected) -> Any:
    """The data, or their mask, broadcast to what is selected and in the order of the array."""
    import numpy as np

    shape = selected.shape

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
    fitted = selected.stored(fitted)
    # ascontiguousarray() gives an array without axes one.
    return fitted.ravel().tolist() if is_list else np.ascontiguousarray(fitted).reshape(selected.counts)
