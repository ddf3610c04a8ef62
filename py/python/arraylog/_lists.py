"""Arrays from Python lists and scalars.

The element type follows from the elements alone, and two kinds in one list are
refused: NumPy would make ``[1, "a"]`` text and ``[True, 2]`` numbers.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ._errors import DTypeError, InvalidError, ShapeError

# dtype name, shape, elements, mask
Parts = tuple[str, tuple[int, ...], Any, Any]


# The most axes of NumPy. Deeper lists are taken for one that contains itself.
_MAX_DEPTH = 64


class NoElementsError(InvalidError):
    """No element says what the dtype is."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, which is known."""
        shape: tuple[int, ...] = self.args[1]
        return shape

    def __str__(self) -> str:
        return str(self.args[0])


def is_missing(item: Any) -> bool:
    """None, or a NaN as pandas puts it among text."""
    return item is None or (isinstance(item, float) and item != item)


def from_list(label: str, data: list[Any]) -> Parts:
    """A nested list."""
    shape, items = _flatten(label, data)
    return from_items(label, items, shape)


def _flatten(label: str, data: list[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and elements in C order; all rows of a level have one length."""
    _check_depth(label, data)
    shape: list[int] = [len(data)]
    items: list[Any] = data
    while items and any(isinstance(item, (list, tuple)) for item in items):
        for row, item in enumerate(items):
            if not isinstance(item, (list, tuple)):
                raise ShapeError(f"{label}: ragged: row {row} of axis {len(shape) - 1} is no list, others are")
            if isinstance(items[0], (list, tuple)) and len(item) != len(items[0]):
                raise ShapeError(f"{label}: ragged: row 0 has {len(items[0])} elements, row {row} has {len(item)}")
        shape.append(len(items[0]))
        items = [element for row in items for element in row]
    return tuple(shape), items


def _check_depth(label: str, data: list[Any]) -> None:
    """Refuses what is too deep before any level of it is made.

    Along the first elements only: rows that go deeper than the first are ragged.
    """
    inner: Any = data
    for _ in range(_MAX_DEPTH):
        if not isinstance(inner, (list, tuple)) or not inner:
            return
        inner = inner[0]
    if isinstance(inner, (list, tuple)):
        raise ShapeError(f"{label}: lists nested deeper than {_MAX_DEPTH} levels, or a list that contains itself")


def from_items(label: str, items: list[Any], shape: tuple[int, ...]) -> Parts:
    """Elements in C order."""
    import numpy as np

    present = [item for item in items if item is not None]
    if not present:
        what = "an empty list" if not items else "a list of nothing but None"
        raise NoElementsError(f"{label}: {what} has no dtype; state it: arraylog.array(data, dtype=...)", shape)
    mask = None
    if len(present) != len(items):
        mask = np.array([item is None for item in items], dtype=bool).reshape(shape)
    if any(map(_is_numpy, present)):
        return _from_numpy_items(label, items, present, shape, mask)
    first_of_type: dict[type, Any] = {}
    for item in present:
        first_of_type.setdefault(type(item), item)
    kinds = {_kind(label, item, items): item for item in first_of_type.values()}
    if "datetime" in kinds:
        for item in present:
            _kind(label, item, items)
    name = _element_type(label, kinds, present)
    if name in ("string", "bytes"):
        return (name, shape, items, mask)
    stand_in = present[0] if name.startswith(("datetime", "timedelta")) else 0
    filled = items if mask is None else [stand_in if item is None else item for item in items]
    data = np.array(filled, dtype=name).reshape(shape)
    if mask is not None:
        data[mask] = 0
    return (name, shape, data, mask)


def _is_numpy(item: Any) -> bool:
    """Whether it has a dtype of its own; numpy.float64 and numpy.str_ are Python's too."""
    import numpy as np

    return isinstance(item, (np.ndarray, np.generic)) and not isinstance(item, (str, bytes, float, complex))


def _kind(label: str, item: Any, items: list[Any]) -> str:
    for kind, types in _KINDS:
        if isinstance(item, types):
            if kind == "datetime" and item.tzinfo is not None:
                raise DTypeError(f"{label}: times with a time zone ({item.tzinfo}) cannot be stored; convert to UTC and drop the zone")
            return kind
    position = next(i for i, other in enumerate(items) if other is item)
    raise DTypeError(f"{label}: element {position} is of type {type(item).__name__}, which cannot be stored: {item!r}")


# bool before int and datetime before date: each is a subclass of the other.
_KINDS: tuple[tuple[str, type[Any]], ...] = (
    ("bool", bool),
    ("int", int),
    ("float", float),
    ("complex", complex),
    ("str", str),
    ("bytes", bytes),
    ("datetime", dt.datetime),
    ("date", dt.date),
    ("timedelta", dt.timedelta),
)
_SINGLE = {
    "bool": "bool",
    "str": "string",
    "bytes": "bytes",
    "datetime": "datetime64[us]",
    "date": "datetime64[D]",
    "timedelta": "timedelta64[us]",
}


def _element_type(label: str, kinds: dict[str, Any], present: list[Any]) -> str:
    if len(kinds) == 1 and (name := _SINGLE.get(next(iter(kinds)))):
        return name
    if not kinds.keys() <= {"int", "float", "complex"}:
        first, second = list(kinds)[:2]
        raise DTypeError(f"{label}: {first} and {second} in one list: {kinds[first]!r} and {kinds[second]!r}")
    if kinds.keys() == {"int"}:
        return _integer_type(label, present)
    for item in present:
        if isinstance(item, int) and not _is_exact(item):
            raise DTypeError(f"{label}: {item} among floats, but no float64 is exactly that")
    return "complex128" if "complex" in kinds else "float64"


def _is_exact(item: int) -> bool:
    try:
        return int(float(item)) == item
    except OverflowError:
        return False


def _integer_type(label: str, present: list[int]) -> str:
    low, high = min(present), max(present)
    if low >= -(2**63) and high < 2**63:
        return "int64"
    if low >= 0 and high < 2**64:
        return "uint64"
    raise InvalidError(f"{label}: integers from {low} to {high} fit neither int64 nor uint64")


def _from_numpy_items(label: str, items: list[Any], present: list[Any], shape: tuple[int, ...], mask: Any) -> Parts:
    """Scalars or arrays of NumPy, all of one dtype and shape."""
    import numpy as np

    from ._convert import _canonical

    if not all(map(_is_numpy, present)):
        raise DTypeError(f"{label}: NumPy's and Python's elements in one list; np.asarray(data) decides for one")
    dtypes = {item.dtype for item in present}
    if len(dtypes) > 1:
        first, second = list(map(str, dtypes))[:2]
        raise DTypeError(f"{label}: {first} and {second} in one list")
    shapes = {item.shape for item in present}
    if len(shapes) > 1 or (mask is not None and shapes != {()}):
        raise ShapeError(f"{label}: ragged: arrays of shapes {', '.join(map(str, sorted(shapes)))} in one list")
    data = np.array([present[0] if item is None else item for item in items])
    spec = _canonical(label, data.reshape(shape + present[0].shape))
    return (spec.dtype_name, spec.shape, spec._data, mask)
