"""What an index of NumPy says of an array that is not in memory.

An index is taken apart into the elements that have to be read, which are start,
step and count of each axis (steps are positive), and an index of what was read.
NumPy itself applies the second, so that its rules for mixtures, dropped axes and
results hold; and what is not understood here, NumPy refuses in its own words.
Arrays of indices that select little of the box around them are read as points.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._points import Selected, Span, axes_of, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._array import Array

# A box around points, of which no chunk is without one, is read if it has at most so many
# elements for each that is selected, or so many bytes: elements side by side are cheaper
# than as many one by one.
_DENSE = 4
_LITTLE = 1 << 24
# Bytes of a block of checksums.
_BLOCK = 1 << 16


def take(array: Array, index: Any) -> Any:
    """``array.numpy()[index]``, of which no more is read than the index asks for."""
    shape = array.shape
    if type(index) is int and shape and -shape[0] <= index < shape[0]:
        # One row after another, as loops have them.
        row = array._slice([(index % shape[0], 1, 1), *((0, 1, length) for length in shape[1:])])
        return array.numpy()[index] if row is None else row[0]
    items = known(index)
    parts = None if items is None else split(items, shape)
    if parts is None:
        refuse(index, shape)
        return array.numpy()[index]
    spans, inner = parts
    points = _sparse(array, items, spans)
    if points is not None:
        return points.given(array._take(points.spans, points.axes, points.places.tobytes())).copy()
    if all(count == length for (_, _, count), length in zip(spans, shape)):
        return array.numpy()[index]
    box = array._slice(spans)
    return array.numpy()[index] if box is None else box[inner]


def _sparse(array: Array, items: Any, spans: list[Span]) -> Selected | None:
    """The points that are selected, if to read them is better than ``spans``, the box around them.

    They are if the box has chunks without any of them, or is much larger.
    """
    if not any(isinstance(item, np.ndarray) and item.ndim for item in items):
        return None
    if any(isinstance(item, bool) or (isinstance(item, np.ndarray) and not item.ndim) for item in items):
        return None
    if array.codec is not None and array.chunks is None:
        # Decoded as one.
        return None
    dtype, chunks = array.dtype, array.chunks
    # A view of all, or blocks of checksums: one or two for each point.
    is_view = chunks is None and not array.masked and dtype.kind not in "OT"
    if is_view and _extent(spans, array.shape) * dtype.itemsize <= _number(items) * _BLOCK:
        return None
    points = Selected(items, array.shape, _clipped)
    if is_view:
        return points
    box = math.prod(count for _, _, count in spans)
    is_box = box <= _DENSE * math.prod(points.counts)
    if chunks is not None:
        is_little = dtype.kind not in "OT" and box * dtype.itemsize <= _LITTLE
        is_box = (is_box or is_little) and _fills(points, spans, chunks)
    return None if is_box else points


def _extent(spans: list[Span], shape: Sequence[int]) -> int:
    """Elements from the first of a box to its last."""
    extent, length = 0, 1
    for (_, step, count), axis in zip(reversed(spans), reversed(shape)):
        extent += (count - 1) * step * length
        length *= axis
    return extent + 1


def _number(items: list[Any]) -> int:
    """Number of points, of arrays of indices that fit each other."""
    most = 1
    for item in items:
        if isinstance(item, np.ndarray):
            most = max(most, int(np.count_nonzero(item)) if item.dtype.kind == "b" else item.size)
    return most


def _fills(points: Selected, spans: list[Span], chunks: Sequence[int]) -> bool:
    """Whether each chunk of the box around points has one of them."""
    lengths = np.array([chunks[axis] for axis in points.axes])
    ends = np.array([(spans[axis][0], spans[axis][0] + spans[axis][2] - 1) for axis in points.axes])
    first, last = ends.T // lengths
    counts = np.maximum(last - first + 1, 0).tolist()
    if math.prod(counts) > len(points.places):
        return False
    touched = np.zeros(counts, dtype=bool)
    touched[tuple((points.places // lengths - first).T)] = True
    return bool(touched.all())


def known(index: Any) -> list[Any] | None:
    """The items of an index; None if one is of a kind not known here."""
    items = [_known(item) for item in (index if isinstance(index, tuple) else (index,))]
    return None if any(item is NotImplemented for item in items) else items


def split(known: list[Any], shape: Sequence[int]) -> tuple[list[Span], tuple[Any, ...]] | None:
    """The smallest box that has all that is selected, and an index of it that says the same.

    None if it is no index of an array of that shape.
    """
    if sum(item is Ellipsis for item in known) > 1:
        return None
    used = sum(axes_of(item) for item in known)
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
            lengths = shape[len(spans) : len(spans) + axes_of(item)]
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


def region(index: Any, shape: Sequence[int]) -> Selected:
    """What is written to. Nothing is clipped: IndexError for what is not inside."""
    items = []
    for raw in index if isinstance(index, tuple) else (index,):
        item = _known(raw)
        if item is NotImplemented or isinstance(item, bool) or (isinstance(item, np.ndarray) and item.dtype.kind == "b" and not item.ndim):
            raise IndexError(
                f"the part to write is given by ints, slices, Ellipsis, None, and arrays of ints or bools, not by {_described(raw)}"
            )
        items.append(item)
    if sum(item is Ellipsis for item in items) > 1 or sum(map(axes_of, items)) > len(shape):
        refuse(tuple(items), shape)
    return Selected(items, shape, _unclipped)


def _described(item: Any) -> str:
    """What an item of an index is that says no part."""
    if isinstance(item, (bool, np.bool_)):
        return f"the bool {item}, which has no axes: a mask has the shape of the axes that it is of"
    dtype = getattr(item, "dtype", None)
    if dtype is None and isinstance(item, (list, tuple)):
        try:
            dtype = np.asarray(item).dtype
        except ValueError:
            return f"a {type(item).__name__} of parts of different lengths"
    kind = f"a {type(item).__name__}"
    return f"{kind}: {item!r:.80}" if dtype is None else f"{kind} of {dtype}"


def _unclipped(item: slice, axis: int, length: int) -> tuple[Span, int]:
    if item.step is not None and operator.index(item.step) == 0:
        raise ValueError(f"the step of a slice is 0 for axis {axis}; it is 1 and more, or -1 and less")
    for end in (item.start, item.stop):
        if end is not None and not -length <= operator.index(end) <= length:
            raise IndexError(
                f"slice end {operator.index(end)} is out of bounds for axis {axis} with size {length}: "
                "a part that is written is not clipped; append() and resize() make an array longer"
            )
    return _clipped(item, axis, length)


def _clipped(item: slice, _axis: int, length: int) -> tuple[Span, int]:
    span, inner = _forward(*item.indices(length))
    return span, 1 if inner.step is None else -1
