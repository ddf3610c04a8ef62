"""What an index of NumPy says of an array that is not in memory.

An index is taken apart into the elements that have to be read, which are start,
step and count of each axis (steps are positive), and an index of what was read.
NumPy itself applies the second, so that its rules for mixtures, dropped axes and
results hold; and what is not understood here, NumPy refuses in its own words.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._array import Array

Span = tuple[int, int, int]


def take(array: Array, index: Any) -> Any:
    """``array.numpy()[index]``, of which no more is read than the index asks for."""
    shape = array.shape
    if type(index) is int and shape and -shape[0] <= index < shape[0]:
        # One row after another, as loops have them.
        row = array._slice([(index % shape[0], 1, 1), *((0, 1, length) for length in shape[1:])])
        return array.numpy()[index] if row is None else row[0]
    parts = split(index, shape)
    if parts is None:
        refuse(index, shape)
        return array.numpy()[index]
    spans, inner = parts
    if all(count == length for (_, _, count), length in zip(spans, shape)):
        return array.numpy()[index]
    box = array._slice(spans)
    return array.numpy()[index] if box is None else box[inner]


def refuse(index: Any, shape: Sequence[int]) -> None:
    """Raises what NumPy does for the index, if it does: of elements that take no memory."""
    np.broadcast_to(np.zeros((), dtype=np.int8), shape)[index]


def split(index: Any, shape: Sequence[int]) -> tuple[list[Span], tuple[Any, ...]] | None:
    """The smallest box that has all that is selected, and an index of it that says the same.

    None if it is no index of an array of that shape, or one of a kind not known here.
    """
    items = index if isinstance(index, tuple) else (index,)
    known = [_known(item) for item in items]
    if any(item is NotImplemented for item in known) or sum(item is Ellipsis for item in known) > 1:
        return None
    used = sum(_axes(item) for item in known)
    if used > len(shape):
        return None
    spans: list[Span] = []
    inner: list[Any] = []
    for item in known:
        if item is Ellipsis:
            spans += [(0, 1, length) for length in shape[len(spans) : len(spans) + len(shape) - used]]
            inner.append(item)
        elif item is None or isinstance(item, bool):
            inner.append(item)
        elif isinstance(item, np.ndarray):
            lengths = shape[len(spans) : len(spans) + _axes(item)]
            box = _box(item, lengths)
            if box is None:
                return None
            spans += box[0]
            inner.append(box[1])
        else:
            part = _part(item, shape[len(spans)])
            if part is None:
                return None
            spans.append(part[0])
            inner.append(part[1])
    spans += [(0, 1, length) for length in shape[len(spans) :]]
    return spans, tuple(inner)


def _known(item: Any) -> Any:
    """None, Ellipsis, a bool, an int, a slice, or an ndarray of ints or bools; else NotImplemented."""
    if item is None or item is Ellipsis or isinstance(item, (bool, slice)):
        return item
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, (int, np.integer)):
        return int(item)
    if not isinstance(item, np.ndarray):
        if hasattr(type(item), "__index__") and not hasattr(type(item), "__array__"):
            return operator.index(item)
        try:
            array = np.asarray(item)
        except (TypeError, ValueError):
            return NotImplemented
        # A list without items has no type of its own.
        item = array.astype(np.intp) if array.size == 0 and array.dtype.kind == "f" else array
    if item.dtype.kind not in "biu":
        return NotImplemented
    return np.asarray(item)


def _axes(item: Any) -> int:
    """How many axes an item stands for."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if hasattr(item, "dtype") and item.dtype.kind == "b":
        return int(item.ndim)
    return 1


def _part(item: int | slice, length: int) -> tuple[Span, Any] | None:
    """The elements of an axis that an int or a slice selects, and what selects them of these."""
    if not isinstance(item, slice):
        if not -length <= item < length:
            return None
        return (item % length, 1, 1), 0
    try:
        start, stop, step = item.indices(length)
    except (TypeError, ValueError):
        return None
    return _forward(start, stop, step)


def _forward(start: int, stop: int, step: int) -> tuple[Span, slice]:
    count = len(range(start, stop, step))
    if count == 0:
        return (0, 1, 0), slice(None)
    if step > 0:
        return (start, step, count), slice(None)
    return (start + (count - 1) * step, -step, count), slice(None, None, -1)


def _box(item: Any, lengths: Sequence[int]) -> tuple[list[Span], Any] | None:
    """The box around the elements that an array of ints, or of bools, selects."""
    if item.dtype.kind == "b":
        if item.shape != tuple(lengths):
            return None
        ends = [_ends(places) for places in item.nonzero()]
        inside = item[tuple(slice(low, high + 1) for low, high in ends)]
        return [(low, 1, high + 1 - low) for low, high in ends], inside
    (length,) = lengths
    places = item.astype(np.intp)
    places = np.where(places < 0, places + length, places)
    low, high = _ends(places)
    if low < 0 or high >= length:
        return None
    return [(low, 1, high + 1 - low)], places - low


def _ends(places: Any) -> tuple[int, int]:
    """The lowest and the highest; 0 and -1 without any."""
    return (int(places.min()), int(places.max())) if places.size else (0, -1)


def region(index: Any, shape: Sequence[int]) -> tuple[list[Span], tuple[int, ...], list[int]]:
    """What is written to: the elements, the shape of data for them, and the axes that
    run backwards. Nothing is clipped: IndexError for what is not inside.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        if not (item is Ellipsis or isinstance(item, slice) or _is_int(item)):
            what = "None" if item is None else f"a {type(item).__name__}"
            raise TypeError(
                f"a part that is written is said by ints, slices and Ellipsis, not by {what}: "
                "arrays of indices, masks and new axes do not say one"
            )
    dots = [at for at, item in enumerate(items) if item is Ellipsis]
    used = len(items) - len(dots)
    if len(dots) > 1 or used > len(shape):
        refuse(tuple(items), shape)
    at = dots[0] if dots else len(items)
    items[at : at + 1] = [slice(None)] * (len(shape) - used)
    spans: list[Span] = []
    lengths: list[int] = []
    backwards: list[int] = []
    for axis, (item, length) in enumerate(zip(items, shape)):
        if not isinstance(item, slice):
            place = operator.index(item)
            if not -length <= place < length:
                raise IndexError(f"index {place} is out of bounds for axis {axis} with size {length}")
            spans.append((place % length, 1, 1))
            continue
        for end in (item.start, item.stop):
            if end is not None and not -length <= operator.index(end) <= length:
                raise IndexError(
                    f"slice end {operator.index(end)} is out of bounds for axis {axis} with size {length}: "
                    "a part that is written is not clipped; append() and resize() make an array longer"
                )
        span, inner = _forward(*item.indices(length))
        spans.append(span)
        lengths.append(span[2])
        if inner.step is not None:
            backwards.append(len(lengths) - 1)
    return spans, tuple(lengths), backwards


def _is_int(item: Any) -> bool:
    if isinstance(item, (bool, np.bool_, np.ndarray)):
        return False
    return hasattr(type(item), "__index__")
