"""One array of one version of an entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _core
from ._attrs import Attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# dtypes that NumPy has from ml_dtypes alone.
SMALL = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
_NO_VALUE: Any = object()
# Types that NumPy numbers itself, from 0; those of ml_dtypes come after them.
_NUMPY_TYPES = 256
# dtypes that DLPack has a code for, and NumPy gives it.
_DLPACK = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")


@dataclass(frozen=True, slots=True)
class ArrayStats:
    """What the elements of an array are like; :attr:`Array.stats`.

    For ``min`` and ``max`` count the elements that are not missing, not NaN or NaT,
    and not equal to the fill value.
    """

    count: int
    """All elements."""
    nulls: int
    """Missing elements."""
    nans: int
    """NaN or NaT, and not missing."""
    fills: int
    """Equal to the fill value, and not missing."""
    min: Any
    """No element that counts is less; None if none counts."""
    max: Any
    """No element that counts is greater; None if none counts."""
    min_exact: bool
    """Whether ``min`` is one of the elements: of long text it may be something below them."""
    max_exact: bool
    """Whether ``max`` is one of the elements."""


class Array(_core.Array):
    """One array of one version of an entry.

    It never changes and works after ``store.close()``. ``np.asarray(x)`` and
    ``x[...]`` are views of the file where the bytes allow it, and read-only.
    ``x[index]`` is what NumPy makes of it, and of an array in chunks those alone
    are read that have some of it, also by arrays of indices and masks, each once. One in
    chunks, or with a codec, keeps its elements once all of them were decoded; any other
    costs nothing to keep.
    """

    __slots__ = ()

    @property
    def attrs(self) -> Attrs:
        """Attributes of the array."""
        return Attrs(self._raw_attrs())

    @property
    def fill_value(self) -> Any:
        """What stands for a missing element, or None if nothing was said."""
        value = self._raw_fill_value()
        return None if value is None else _scalar(value, self.dtype)

    @property
    def stats(self) -> ArrayStats | None:
        """Number of elements, of missing ones and so on, and the least and the greatest.

        None for dtypes that have no order, complex numbers and floats of 8 bits. Reads
        all elements.
        """
        # First, so that where NumPy lacks the dtype the error has the array's name.
        dtype = self.dtype
        stats = self._stats()
        if stats is None:
            return None
        count, nulls, nans, fills, low, high, low_exact, high_exact = stats
        return ArrayStats(count, nulls, nans, fills, _scalar(low, dtype), _scalar(high, dtype), low_exact, high_exact)

    def filled(self, value: Any = _NO_VALUE) -> NDArray[Any]:
        """The elements with missing ones replaced by ``value`` (default: ``fill_value``,
        else NumPy's default for the dtype); without a mask the elements as they are.
        """
        if not self.masked:
            return self.data
        result = self.data.copy()
        if value is _NO_VALUE:
            masked: Any = self.numpy()
            value = masked.fill_value
        result[self.mask] = value
        return result

    def item(self) -> Any:
        """The only element as a Python object; ``numpy.ma.masked`` if it is missing."""
        self._require_one("item()")
        if self.masked and bool(self.mask.reshape(-1)[0]):  # type: ignore[union-attr]
            import numpy as np

            return np.ma.masked
        return self.data.item()

    def _require_one(self, what: str) -> None:
        if self.size != 1:
            raise ValueError(f"{what} needs an array of one element, {self.name!r} has shape {self.shape}")

    def _number(self, what: str) -> Any:
        self._require_one(what)
        if self.masked and bool(self.mask.reshape(-1)[0]):  # type: ignore[union-attr]
            raise ValueError(f"{what}: the element of {self.name!r} is masked")
        return self.data.reshape(-1)[0]

    def __float__(self) -> float:
        return float(self._number("float()"))

    def __int__(self) -> int:
        return int(self._number("int()"))

    def __complex__(self) -> complex:
        return complex(self._number("complex()"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim != 0:
            raise TypeError(
                f"array {self.name!r} of {self._dtype_name}, shape {self.shape}, is no index: an array of ints without axes is one"
            )
        return int(self)

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError(f"array {self.name!r} has no axes and so no len()")
        return shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError(f"array {self.name!r} has no axes and so nothing to iterate over; x[()] is its element")
        return iter(self.numpy())

    def __getitem__(self, index: Any, /) -> Any:
        try:
            whole = self._whole()
            if whole is not None:
                return whole[index]
            from ._indexing import take

            return take(self, index)
        except IndexError as error:
            # Beside NumPy's words, which it keeps.
            error.add_note(f"array {self.name!r} has shape {self.shape}")
            raise

    def __setitem__(self, index: Any, value: Any, /) -> None:
        raise TypeError(
            f"an Array is one version of {self.name!r} and never changes; "
            "part.edit(key, name) is what the latest version can be written by"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        import numpy as np

        if self.masked:
            missing = int(self.mask.sum())  # type: ignore[union-attr]
            raise ValueError(
                f"array {self.name!r} has a mask ({missing} masked element{'s' * (missing != 1)}), "
                "which a plain ndarray would lose: x[()], x.data or x.filled(v)"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The elements for consumers of DLPack (PyTorch, JAX, CuPy), read-only and without a copy.

        What says "read-only" came with version 1 of the protocol: consumers of an older
        one, and NumPy before 2.1, get a copy, or BufferError if ``copy`` is false.
        """
        import numpy as np

        if self.masked:
            raise BufferError(f"array {self.name!r} has a mask, which a buffer would lose: x[()], x.data or x.filled(v)")
        if not _DLPACK.fullmatch(self._dtype_name):
            raise BufferError(f"DLPack by NumPy has no code for {self._dtype_name}; numpy() gives the array")
        if max_version is None or max_version < (1, 0) or np.lib.NumpyVersion(np.__version__) < "2.1.0":
            if copy is False:
                raise BufferError("before version 1 DLPack cannot say that an array is read-only: copy=None gives a copy")
            if dl_device not in (None, self.__dlpack_device__()):
                raise BufferError(f"stored arrays are in the memory of the CPU, not on device {dl_device}")
            return self.numpy(copy=True).__dlpack__(stream=stream)
        return self.data.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU."""
        return (1, 0)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        # For dtypes that the buffer protocol has no code for; NumPy asks for it
        # only after the buffer was refused.
        # It has no word for text of any length, nor for the dtypes of ml_dtypes.
        if self.masked or self._dtype_name in ("string", "bytes", *SMALL):
            raise AttributeError("__array_interface__")
        interface: dict[str, Any] = self.data.__array_interface__
        return interface

    def __eq__(self, other: object) -> Any:
        return self.numpy() == (other.numpy() if isinstance(other, Array) else other)

    def __ne__(self, other: object) -> Any:
        return self.numpy() != (other.numpy() if isinstance(other, Array) else other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (Array, (self._entry, self.name))

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, memo: Any) -> Array:
        return self

    def __repr__(self) -> str:
        dims = "" if not any(self.dims) else f" dims={self.dims!r}"
        masked = " masked" if self.masked else ""
        chunks, codec = self.chunks, self.codec
        cut = "" if chunks is None else f" chunks={chunks}"
        coded = "" if codec is None else f" codec={codec!r}"
        stored = "" if chunks is None and codec is None else f" {self._stored()}"
        return f"<arraylog.Array {self.name!r} {self._dtype_name} shape={self.shape}{dims}{masked}{cut}{coded}{stored}>"

    def _stored(self) -> str:
        """How many bytes are stored, for how many of the elements."""
        stored = self.nbytes_stored
        if self._dtype_name in ("string", "bytes") or not stored:
            # How many bytes texts have is known when they are read.
            return f"{stored:,} bytes stored"
        return f"{stored:,} bytes for {self.nbytes:,} ({self.nbytes / stored:.2f}x)"

    def _repr_html_(self) -> str:
        from ._html import array_html

        return array_html(self)


def _scalar(value: Any, dtype: np.dtype[Any]) -> Any:
    """An element of the dtype."""
    import numpy as np

    if value is None or dtype.kind in "OT":
        return value
    if dtype.kind in "SU":
        # A bound of text may be longer than an element.
        return dtype.type(value)
    return np.asarray(value, dtype=dtype)[()]


def masked_array(data: Any, mask: Any, fill: Any) -> Any:
    """A MaskedArray over ``data`` and ``mask`` without looking at either.

    The constructor of MaskedArray costs twice as much, for checks that hold here.
    """
    from numpy.ma import MaskedArray

    masked = data.view(MaskedArray)
    masked._mask = mask
    if fill is None and data.dtype.kind == "O":
        # NumPy would put a str among the bytes; this is what it has for "S".
        fill = b"N/A"
    if fill is None and data.dtype.num >= _NUMPY_TYPES:
        # NumPy takes most dtypes of ml_dtypes for void, and would fill them with bytes.
        fill = data.dtype.type("nan")
    if fill is not None:
        masked.fill_value = fill
    return masked
