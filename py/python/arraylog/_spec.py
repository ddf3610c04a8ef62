"""An array to be stored, with all its options in one place."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from ._errors import ShapeError


class ArraySpec:
    """An array in the form in which it is stored; made by :func:`arraylog.array`.

    It refers to the data that it was made from, where that needs no conversion:
    what is stored is what the data holds when it is written.
    """

    __slots__ = ("_attrs", "_chunks", "_codec", "_data", "_dims", "_dtype_name", "_fill_value", "_mask", "_shape")

    # An ndarray, little-endian and in C order, or a flat list of str or bytes.
    _data: Any
    _dtype_name: str
    _shape: tuple[int, ...]
    _dims: tuple[str | None, ...] | None
    _mask: Any
    _fill_value: Any
    # "auto", or the length of a chunk along each axis.
    _chunks: str | tuple[int, ...] | None
    _codec: str | None
    _attrs: Mapping[str, Any]

    def __init__(self, dtype_name: str, shape: tuple[int, ...], data: Any, mask: Any, fill_value: Any) -> None:
        self._dtype_name = dtype_name
        self._shape = shape
        self._data = data
        self._mask = mask
        self._fill_value = fill_value
        self._dims = None
        self._chunks = None
        self._codec = None
        self._attrs = {}

    @property
    def dtype_name(self) -> str:
        """Element type by its name in the store: "float32", "datetime64[s]", "string"."""
        return self._dtype_name

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._shape

    @property
    def dims(self) -> tuple[str | None, ...]:
        """Name of each axis, None where it has none."""
        return self._dims or (None,) * len(self._shape)

    @property
    def masked(self) -> bool:
        """Whether it has a mask."""
        return self._mask is not None

    @property
    def fill_value(self) -> Any:
        """What stands for a missing element, if it was said."""
        return self._fill_value

    @property
    def chunks(self) -> str | tuple[int, ...] | None:
        """Length of a chunk along each axis, or "auto"; None if it is to be in one piece."""
        return self._chunks

    @property
    def codec(self) -> str | None:
        """What the elements are to be encoded with."""
        return self._codec

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the array."""
        return dict(self._attrs)

    def _packed(self, label: str, chunks: Any, codec: Any) -> ArraySpec:
        """Sets chunks and codec, where they are asked for."""
        if chunks is not None:
            self._chunks = check_chunks(label, chunks, len(self._shape))
        if codec is not None:
            if not isinstance(codec, str):
                raise TypeError(f'{label}: a codec is named by a str, "zstd:3", not {type(codec).__name__}')
            self._codec = codec
        return self

    def _named(self, label: str, dims: Any, attrs: Any) -> ArraySpec:
        """Sets dims and attributes, where there are any."""
        if dims is not None:
            self._dims = check_dims(label, dims, len(self._shape))
        if attrs is not None:
            # The exact type first: a check against an abstract one costs as much as the rest.
            if type(attrs) is not dict and not isinstance(attrs, Mapping):
                raise TypeError(f"{label}: attrs is a mapping of names to values, not {type(attrs).__name__}")
            self._attrs = dict(attrs)
        return self

    def __repr__(self) -> str:
        dims = f" dims={self._dims!r}" if self._dims else ""
        masked = " masked" if self.masked else ""
        chunks = f" chunks={self._chunks!r}" if self._chunks else ""
        codec = f" codec={self._codec!r}" if self._codec else ""
        return f"<arraylog.ArraySpec {self._dtype_name} shape={self._shape}{dims}{masked}{chunks}{codec}>"


def check_chunks(label: str, chunks: Any, ndim: int | None) -> str | tuple[int, ...]:
    """Lengths of a chunk, or "auto"; ``ndim`` None: for any number of axes."""
    if isinstance(chunks, str) and chunks == "auto":
        return chunks
    if isinstance(chunks, (str, bytes)) or not isinstance(chunks, Sequence):
        raise TypeError(f'{label}: chunks are the length of a chunk along each axis, (100, 100), or "auto", not {chunks!r}')
    lengths = tuple(map(operator.index, chunks))
    if ndim is not None and len(lengths) != ndim:
        raise ShapeError(f"{label}: chunks {lengths} for data of {ndim} axes")
    if not all(0 < length < 1 << 63 for length in lengths):
        raise ShapeError(f"{label}: chunks {lengths}: a chunk is at least 1 long along each axis")
    return lengths


def check_dims(label: str, dims: Any, ndim: int) -> tuple[str | None, ...]:
    """The names of the axes; one name may stand alone."""
    if isinstance(dims, str):
        dims = (dims,)
    is_names = (type(dims) in (tuple, list) or isinstance(dims, Sequence)) and all(name is None or isinstance(name, str) for name in dims)
    if not is_names:
        raise ShapeError(
            f"{label}: dims are a name or a list of names, not {type(dims).__name__}; "
            "a tuple is (dims, data) or (dims, data, attrs)"
        )
    if len(dims) != ndim:
        raise ShapeError(f"{label}: {len(dims)} dims {tuple(dims)!r} for data of {ndim} axes")
    return tuple(dims)
