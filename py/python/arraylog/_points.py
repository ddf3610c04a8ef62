"""What an index selects, element by element of each axis.

Of the axes that have arrays of indices, or masks, the elements are points; of every other
axis they are a span. The elements of an array lie in its own order of axes; NumPy's rules
for arrays of indices (where their axes go, new axes, steps backwards) are between that
and what an index gives.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

# Start, step and count on an axis.
Span = tuple[int, int, int]


class Selected:
    """What an index of an array of some shape selects, and how it gives it.

    The items are those of ``_indexing.known``, without bools, as many as the array has
    axes. ``spans`` are forward; on ``axes`` there are points, whose indices are the rows
    of ``places``. IndexError in NumPy's words for what is outside.
    """

    __slots__ = ("_broadcast", "_entries", "_position", "axes", "places", "spans")

    def __init__(self, items: Sequence[Any], shape: Sequence[int], forward: Any) -> None:
        self.spans: list[Span] = []
        # What the index has beside points, in order: an axis and its step, or None.
        self._entries: list[tuple[int, int] | None] = []
        points: list[tuple[int, Any]] = []
        probe: list[Any] = []
        used = sum(axes_of(item) for item in items)
        for item in items:
            axis = len(self.spans)
            if item is None:
                self._entries.append(None)
                probe.append(None)
            elif item is Ellipsis:
                self._rest(shape, axis + len(shape) - used)
                probe.append(item)
            elif isinstance(item, np.ndarray) and item.ndim:
                arrays = item.nonzero() if item.dtype.kind == "b" else (item,)
                _check_mask(item, shape, axis)
                for at, array in enumerate(arrays, axis):
                    points.append((at, _inside(array, at, shape[at])))
                    self.spans.append((0, 1, 1))
                    probe.append(np.zeros(2, dtype=np.intp))
            elif isinstance(item, slice):
                span, step = forward(item, axis, shape[axis])
                self.spans.append(span)
                self._entries.append((axis, step))
                probe.append(slice(None))
            else:
                place = operator.index(item)
                if not -shape[axis] <= place < shape[axis]:
                    raise IndexError(_outside(place, axis, shape[axis]))
                self.spans.append((place % shape[axis], 1, 1))
                probe.append(0)
        self._rest(shape, len(shape))
        self.axes = [axis for axis, _ in points]
        columns = [array for _, array in points]
        try:
            self._broadcast: tuple[int, ...] = np.broadcast_shapes(*(array.shape for array in columns))
        except ValueError:
            refuse(tuple(items), shape)
            raise
        self.places = np.empty((math.prod(self._broadcast) if columns else 0, len(columns)), dtype=np.int64)
        for column, array in enumerate(columns):
            self.places[:, column] = np.broadcast_to(array, self._broadcast).reshape(-1)
        # NumPy itself says where the axes of points go.
        self._position = np.zeros((1,) * len(shape))[tuple(probe)].shape.index(2) if columns else 0

    def _rest(self, shape: Sequence[int], end: int) -> None:
        """Whole axes, up to ``end``."""
        for axis in range(len(self.spans), end):
            self.spans.append((0, 1, shape[axis]))
            self._entries.append((axis, 1))

    @property
    def counts(self) -> tuple[int, ...]:
        """Shape of the elements in the order of the array: on the first axis of points as many as there are."""
        counts = [count for _, _, count in self.spans]
        if self.axes:
            counts[self.axes[0]] = len(self.places)
        return tuple(counts)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what the index gives."""
        lengths = [1 if entry is None else self.spans[entry[0]][2] for entry in self._entries]
        lengths[self._position : self._position] = self._broadcast
        return tuple(lengths)

    def given(self, elements: Any) -> Any:
        """What the index gives, of elements in the order of the array."""
        kept = [entry[0] for entry in self._entries if entry is not None]
        if self.axes:
            elements = elements.reshape([elements.shape[axis] for axis in sorted([*kept, self.axes[0]])])
            elements = np.moveaxis(elements, self._among(kept), 0)
            elements = elements.reshape(self._broadcast + elements.shape[1:])
            elements = self._moved(elements, back=True)
        else:
            elements = elements.reshape([elements.shape[axis] for axis in kept])
        return elements[self._turned(None)]

    def stored(self, data: Any) -> Any:
        """The elements in the order of the array, of data in the shape of what the index gives."""
        kept = [entry[0] for entry in self._entries if entry is not None]
        data = data[self._turned(0)]
        if self.axes:
            data = self._moved(data, back=False)
            data = data.reshape((len(self.places), *data.shape[len(self._broadcast) :]))
            data = np.moveaxis(data, 0, self._among(kept))
        return data.reshape(self.counts)

    def _among(self, kept: list[int]) -> int:
        """Where the points are among the axes in the order of the array."""
        return sum(axis < self.axes[0] for axis in kept)

    def _moved(self, array: Any, *, back: bool) -> Any:
        """The axes of points moved from where NumPy has them to the front, or back."""
        before = sum(entry is not None for entry in self._entries[: self._position])
        front = list(range(len(self._broadcast)))
        place = [before + axis for axis in front]
        return np.moveaxis(array, front, place) if back else np.moveaxis(array, place, front)

    def _turned(self, new: None | int) -> tuple[Any, ...]:
        """An index that turns axes whose steps are backwards, and adds new axes, or drops them with 0."""
        index: list[Any] = [new if entry is None else slice(None, None, entry[1]) for entry in self._entries]
        index[self._position : self._position] = [slice(None)] * len(self._broadcast)
        return (*index, Ellipsis)


def refuse(index: Any, shape: Sequence[int]) -> None:
    """Raises what NumPy does for the index, if it does: of elements that take no memory."""
    np.broadcast_to(np.zeros((), dtype=np.int8), shape)[index]


def axes_of(item: Any) -> int:
    """How many axes an item of an index stands for."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if hasattr(item, "dtype") and item.dtype.kind == "b":
        return int(item.ndim)
    return 1


def _check_mask(item: Any, shape: Sequence[int], first: int) -> None:
    if item.dtype.kind != "b":
        return
    for axis, length in enumerate(item.shape, first):
        if shape[axis] != length:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis}; "
                f"size of axis is {shape[axis]} but size of corresponding boolean axis is {length}"
            )


def _inside(places: Any, axis: int, length: int) -> Any:
    """Indices from the start of an axis on; IndexError for the first that is outside."""
    places = places.astype(np.int64)
    outside = (places < -length) | (places >= length)
    if outside.any():
        raise IndexError(_outside(places[outside][0], axis, length))
    return np.where(places < 0, places + length, places)


def _outside(place: Any, axis: int, length: int) -> str:
    return f"index {place} is out of bounds for axis {axis} with size {length}"
