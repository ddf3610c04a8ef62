"""Anything that a user calls an array, as an :class:`ArraySpec`.

Nothing changes its type in silence: what NumPy would coerce is refused by name.
Lists are the job of ``_lists``; here are arrays and objects that have one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ._array import SMALL, Array
from ._errors import DTypeError, InvalidError, ShapeError, UnsupportedDTypeError
from ._lists import NoElementsError, from_items, from_list, is_missing
from ._spec import ArraySpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

# dtypes of ml_dtypes that are not stored; by name, because NumPy calls most of them void.
_LATER = re.compile(r"float[468]_\w+|u?int[124]")
# Names of dtypes without a parameter that were met and are stored as they are.
_KNOWN: dict[Any, str] = {}
_SCALARS = (bool, int, float, complex, str, bytes, dt.date, dt.timedelta)


def array(
    data: ArrayLike,
    dims: str | list[str] | tuple[str | None, ...] | None = None,
    *,
    dtype: DTypeLike | None = None,
    mask: ArrayLike | None = None,
    fill_value: Any = None,
    chunks: Sequence[int] | Literal["auto"] | None = None,
    codec: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> ArraySpec:
    """One array and its options, to be given to ``write``.

    ``dims`` names the axes. ``dtype`` converts, and refuses what does not fit;
    ``"string"`` and ``"bytes"`` are text and bytes of any length. ``mask`` is
    true where an element is missing.

    ``chunks``: the length of a chunk along each axis, or ``"auto"`` for chunks
    of about a mebibyte; of a chunked array parts are read and written without
    the rest, and the axes can grow. ``codec``: what the elements, or those of
    each chunk, are encoded with: ``"zstd:3"``, ``"shuffle+lz4"``. A stored
    array keeps those that it has, where nothing else is said.
    """
    label = "array()"
    spec = _spec(label, data, dtype)
    if mask is not None:
        spec._mask = _merge(spec._mask, _mask(label, mask, spec.shape))
    if fill_value is not None:
        spec._fill_value = _fill(label, fill_value, spec)
    return spec._packed(label, chunks, codec)._named(label, dims, attrs)


def field(name: str, value: Any) -> ArraySpec:
    """What stands beside ``name`` in the arrays of an entry."""
    label = f"array {name!r}"
    if isinstance(value, ArraySpec):
        return value
    if type(value) is tuple:
        if len(value) not in (2, 3):
            raise ShapeError(f"{label}: a tuple is (dims, data) or (dims, data, attrs), this one has {len(value)} items")
        spec = _spec(label, value[1], None)
        return spec._named(label, value[0], value[2] if len(value) == 3 else None)
    return _spec(label, value, None)


def elements(label: str, data: Any, dtype: Any = None) -> ArraySpec:
    """Data alone, as ``dtype`` if one is given; refused where that changes a value."""
    return _spec(label, data, dtype)


def attribute(path: str, value: Any) -> Any:
    """An attribute that is none of Python's own types, as one of them or a spec."""
    import numpy as np

    if isinstance(value, np.generic) or type(value) in (dt.datetime, dt.date, dt.timedelta):
        return _spec(path, value, None)
    if isinstance(value, str):
        return "".join([value])
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    # Subclasses, an IntEnum for one.
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, complex):
        return complex(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (np.ndarray, Array, dt.date, dt.timedelta)) or hasattr(value, "to_numpy"):
        spec = _spec(path, value, None)
        if spec.masked:
            raise DTypeError(f"{path}: an attribute has no mask")
        if len(spec.shape) > 1:
            raise ShapeError(f"{path}: an attribute is a scalar or has one axis, this one has {len(spec.shape)}")
        return spec
    raise TypeError(f"{path}: an attribute cannot be a {type(value).__name__}")


def _spec(label: str, data: Any, dtype: Any) -> ArraySpec:
    import numpy as np

    if type(data) is np.ndarray:
        return _from_ndarray(label, data, dtype)
    if isinstance(data, ArraySpec):
        raise TypeError(f"{label}: it is an ArraySpec already")
    if data is None:
        raise TypeError(f"{label}: None is no array; leave the name out")
    if isinstance(data, Mapping):
        raise TypeError(f"{label}: a mapping is no array, and arrays do not nest")
    if type(data) is tuple:
        raise TypeError(f"{label}: a tuple is (dims, data[, attrs]) and never data: make it a list")
    if isinstance(data, Array):
        if dtype is None and data.dtype.kind == "O":
            # Also of one without elements, which say it otherwise.
            dtype = data._dtype_name
        spec = _from_ndarray(label, data.numpy(), dtype)
        if any(data.dims):
            spec._dims = data.dims
        spec._attrs = dict(data.attrs)
        spec._chunks, spec._codec = data.chunks, data.codec
        return spec
    if isinstance(data, (np.ndarray, np.generic)):
        return _from_ndarray(label, data, dtype)
    _refuse_time_zone(label, data)
    if isinstance(data, list):
        if dtype is None:
            return _wrap(from_list(label, data))
        return _from_list_as(label, data, dtype)
    if hasattr(data, "to_numpy") or hasattr(data, "dims"):
        return _from_labelled(label, data, dtype)
    if isinstance(data, _SCALARS):
        if dtype is None:
            return _wrap(from_items(label, [data], ()))
        return _from_list_as(label, data, dtype)
    return _from_ndarray(label, _foreign(label, data), dtype)


def _wrap(parts: tuple[str, tuple[int, ...], Any, Any]) -> ArraySpec:
    return ArraySpec(*parts, None)


def _refuse_time_zone(label: str, data: Any) -> None:
    zone = getattr(data, "tzinfo", None) if isinstance(data, dt.datetime) else getattr(getattr(data, "dtype", None), "tz", None)
    if zone is not None:
        raise DTypeError(
            f"{label}: times with a time zone ({zone}) cannot be stored; convert to UTC and drop the zone "
            "(pandas: .dt.tz_convert('UTC').dt.tz_localize(None), datetime: .astimezone(UTC).replace(tzinfo=None))"
        )


def _from_labelled(label: str, data: Any, dtype: Any) -> ArraySpec:
    """A pandas Series or an xarray DataArray, known by what they offer.

    Its index or coordinates are arrays of their own and not part of it.
    """
    import numpy as np

    nullable = getattr(getattr(data, "dtype", None), "numpy_dtype", None)
    if isinstance(nullable, np.dtype) and nullable.kind in "biuf" and hasattr(data, "isna"):
        # pandas would make floats of integers to have NaN for the missing ones.
        missing = np.asarray(data.isna())
        values: Any = np.ma.MaskedArray(data.to_numpy(dtype=nullable, na_value=0), missing)
        values = values if missing.any() else values.data
    else:
        values = data.to_numpy() if hasattr(data, "to_numpy") else data.values
    spec = _from_ndarray(label, values, dtype)
    dims = getattr(data, "dims", None)
    if dims is None:
        return spec
    attrs = getattr(data, "attrs", None)
    return spec._named(label, tuple(map(str, dims)), attrs if isinstance(attrs, Mapping) else None)


def _foreign(label: str, data: Any) -> Any:
    """An object of another library that offers its memory."""
    import numpy as np

    if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        return np.asarray(data)
    if hasattr(data, "__dlpack__"):
        return np.from_dlpack(data)
    try:
        return np.asarray(memoryview(data))
    except TypeError:
        raise TypeError(f"{label}: cannot make an array of a {type(data).__name__}") from None


def _from_ndarray(label: str, data: Any, dtype: Any) -> ArraySpec:
    import numpy as np

    mask, fill = None, None
    if isinstance(data, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(data)
        fill = _chosen_fill(data)
        data = data.data
    data = np.asarray(data)
    variable = None
    if dtype is not None:
        found = _dtype(label, dtype)
        data = _cast(label, data, found, mask)
        variable = found if isinstance(found, str) else None
    spec = _canonical(label, data, variable)
    spec._mask = _merge(mask, spec._mask)
    spec._fill_value = fill
    return spec


def _canonical(label: str, data: Any, variable: str | None = None) -> ArraySpec:
    """The dtype's rule: stored as it is, converted, or refused by name.

    ``variable`` is what an object array holds, if that was said.
    """
    import numpy as np

    name = _KNOWN.get(data.dtype)
    if name is not None and data.flags.c_contiguous:
        return ArraySpec(name, data.shape, data, None, None)
    kind, item = data.dtype.kind, data.dtype.itemsize
    if data.dtype.name in SMALL:
        return ArraySpec(data.dtype.name, data.shape, np.asarray(data, order="C"), None, None)
    if _LATER.fullmatch(data.dtype.name):
        raise UnsupportedDTypeError(f"{label}: this version of arraylog does not store {data.dtype.name} yet")
    if kind == "O":
        return _wrap(_from_objects(label, data, variable))
    if kind == "T":
        return _wrap(_from_objects(label, data.astype(object)) if data.size else ("string", data.shape, [], None))
    if kind == "b":
        name = "bool"
    elif kind in "iu" and item <= 8:
        name = f"{'int' if kind == 'i' else 'uint'}{item * 8}"
    elif (kind == "f" and item <= 8) or (kind == "c" and item <= 16):
        name = f"{'float' if kind == 'f' else 'complex'}{item * 8}"
    elif kind in "fc":
        narrower = "float64" if kind == "f" else "complex128"
        raise DTypeError(f"{label}: {data.dtype.name} (long double) differs between machines; astype({narrower!r}) fits")
    elif kind in "mM":
        name = _time_name(label, data.dtype)
    elif kind == "S":
        name = f"S{item}"
    elif kind == "U":
        name = f"U{item // 4}"
    elif data.dtype.names:
        raise DTypeError(
            f"{label}: structured, with fields {', '.join(map(repr, data.dtype.names))}; "
            f"store each as an array, a[{data.dtype.names[0]!r}] and so on"
        )
    else:
        raise DTypeError(f"{label}: dtype {data.dtype} cannot be stored; a.view('u1') gives its bytes")
    stored = data.dtype.newbyteorder("<")
    if kind in "biufc":
        _KNOWN[stored] = name
    data = np.asarray(data, dtype=stored, order="C")
    return ArraySpec(name, data.shape, data, None, None)


def _time_name(label: str, dtype: Any) -> str:
    import numpy as np

    unit, count = np.datetime_data(dtype)
    kind = "datetime64" if dtype.kind == "M" else "timedelta64"
    if unit == "generic":
        raise DTypeError(f"{label}: {kind} without a unit; astype('{kind}[s]') gives it one")
    if count != 1:
        raise DTypeError(f"{label}: {kind}[{count}{unit}] counts in multiples; astype('{kind}[{unit}]') fits")
    return f"{kind}[{unit}]"


def _from_objects(label: str, data: Any, name: str | None = None) -> tuple[str, tuple[int, ...], Any, Any]:
    """Text or bytes of any length; None and NaN among them are missing.

    ``name`` is what they are where no element says it.
    """
    import numpy as np

    items = data.ravel().tolist()
    wanted = next((base for item in items for base in (str, bytes) if isinstance(item, base)), None)
    if not items or (wanted is None and all(map(is_missing, items))):
        if name is None:
            raise InvalidError(f"{label}: an object array without text or bytes; state its dtype")
        wanted = str if name == "string" else bytes
    for position, item in enumerate(items):
        if is_missing(item) or (wanted is not None and isinstance(item, wanted)):
            continue
        _refuse_time_zone(label, item)
        at = tuple(int(i) for i in np.unravel_index(position, data.shape))
        raise DTypeError(
            f"{label}: an object array holds text or bytes (None: missing), "
            f"but element {at[0] if len(at) == 1 else at} is of type {type(item).__name__}: {item!r}"
        )
    name = "string" if wanted is str else "bytes"
    return (name, data.shape, items, _missing_mask(items, data.shape))


def _missing_mask(items: list[Any], shape: tuple[int, ...]) -> Any:
    import numpy as np

    missing = [is_missing(item) for item in items]
    return np.array(missing, dtype=bool).reshape(shape) if any(missing) else None


def _dtype(label: str, dtype: Any) -> Any:
    """A dtype of NumPy, or "string" or "bytes"."""
    import numpy as np

    if isinstance(dtype, str):
        if dtype in SMALL:
            return _small_dtype(label, dtype)
        if _LATER.fullmatch(dtype):
            raise UnsupportedDTypeError(f"{label}: this version of arraylog does not store {dtype} yet")
        if dtype in ("string", "bytes"):
            return dtype
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(f"{label}: {dtype!r} is no dtype: {error}") from None
    if found.kind == "T" or (found.kind == "U" and found.itemsize == 0):
        return "string"
    if found.kind == "S" and found.itemsize == 0:
        return "bytes"
    return found


def _small_dtype(label: str, name: str) -> Any:
    import numpy as np

    try:
        import ml_dtypes
    except ImportError as error:
        raise DTypeError(
            f"{label}: NumPy has {name} from the package ml_dtypes alone: pip install arraylog[ml]"
        ) from error
    return np.dtype(getattr(ml_dtypes, name))


def _from_list_as(label: str, data: Any, dtype: Any) -> ArraySpec:
    """A list or scalar of a stated dtype; None is missing."""
    import numpy as np

    found = _dtype(label, dtype)
    try:
        parts = from_list(label, data) if isinstance(data, list) else from_items(label, [data], ())
    except NoElementsError as error:
        return _without_elements(error.shape, found)
    name, shape, elements, mask = parts
    if name in ("string", "bytes"):
        # Missing ones as empty, for dtypes that have no None.
        empty = "" if name == "string" else b""
        elements = np.array([empty if item is None else item for item in elements], dtype=object).reshape(shape)
    spec = _canonical(label, _cast(label, elements, found, mask))
    spec._mask = mask
    return spec


def _without_elements(shape: tuple[int, ...], dtype: Any) -> ArraySpec:
    """No element, or only missing ones."""
    import numpy as np

    size = int(np.prod(shape))
    mask = np.ones(shape, dtype=bool) if size else None
    if isinstance(dtype, str):
        return ArraySpec(dtype, shape, [None] * size, mask, None)
    spec = _canonical("array()", np.zeros(shape, dtype=dtype))
    spec._mask = mask
    return spec


def _cast(label: str, data: Any, dtype: Any, mask: Any = None) -> Any:
    """``data`` as ``dtype``; refused where a value that is not missing would change."""
    import numpy as np

    found = _dtype(label, dtype)
    if isinstance(found, str):
        return _as_variable(label, data, found)
    if found.kind in "mM" and data.dtype.kind in "OTU":
        # Text at the precision that it has, so that what is finer than the unit shows below.
        data = data.astype("U").astype(found.kind + "8")
    if data.dtype == found:
        return data
    given, imaginary = data, None
    if data.dtype.kind == "c" and (found.kind in "biuf" or found.name in SMALL):
        data, imaginary = data.real, data.imag != 0
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            result = data.astype(found, casting="unsafe")
            back = result.astype(data.dtype, casting="unsafe")
    except (TypeError, ValueError, OverflowError) as error:
        raise DTypeError(f"{label}: cannot make {found} of {data.dtype}: {error}") from None
    if found.name in SMALL:
        # float8_e4m3fn makes NaN of infinity, and of what overflows.
        same = np.isfinite(result) | (back == data) | ((back != back) & (data != data))
    elif found.kind in "fc" and data.dtype.kind in "fc":
        same = np.isfinite(result) | ~np.isfinite(data)
    elif found.kind in "fc" and data.dtype.kind in "iub":
        same = np.isfinite(result)
    else:
        same = (back == data) | ((back != back) & (data != data))
        if found.kind == "u" and data.dtype.kind in "if":
            # -1 and 2**64 - 1 are the same bits, there and back.
            same = same & (data >= 0)
        if found.kind == "i" and data.dtype.kind == "u":
            same = same & (result >= 0)
    if imaginary is not None:
        same = same & ~imaginary
    if mask is not None:
        same = same | mask
    if not np.all(same):
        at = tuple(int(i) for i in np.argwhere(~np.asarray(same, dtype=bool))[0])
        raise InvalidError(f"{label}: element {at} is {given[at]!r}, which {found} cannot hold")
    return result


def _as_variable(label: str, data: Any, wanted: str) -> Any:
    kinds = "OTU" if wanted == "string" else "OS"
    if data.dtype.kind not in kinds:
        raise DTypeError(f"{label}: dtype {wanted!r} was asked for, the elements are {data.dtype}")
    objects = data if data.dtype.kind in "OT" else data.astype(object)
    name = "string" if data.dtype.kind in "TU" else "bytes" if data.dtype.kind == "S" else _from_objects(label, objects, wanted)[0]
    if name != wanted:
        raise DTypeError(f"{label}: dtype {wanted!r} was asked for, the elements are {name}")
    return objects


def _mask(label: str, mask: Any, shape: tuple[int, ...]) -> Any:
    import numpy as np

    mask = np.asarray(mask)
    if mask.dtype != bool and mask.size:
        raise DTypeError(f"{label}: a mask is bool, true where an element is missing, not {mask.dtype}")
    if mask.ndim == 0:
        mask = np.full(shape, bool(mask))
    if mask.shape != shape:
        raise ShapeError(f"{label}: the mask has shape {mask.shape}, the data {shape}")
    return mask


def _merge(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a | b


def _chosen_fill(data: Any) -> Any:
    """The fill value that a user set; NumPy's default is not stored."""
    import numpy as np

    fill = data._fill_value
    if fill is None:
        return None
    if data.dtype.name in SMALL:
        # NumPy's default is bytes, where it takes the dtype for void; ours, NaN, is not stored.
        chosen = np.asarray(fill)
        return None if chosen.dtype != data.dtype or chosen != chosen else chosen[()]
    # As long as nobody chose one, NumPy keeps its default in a dtype of its own liking.
    with np.errstate(over="ignore"):
        fill, default = (np.asarray(x).astype(data.dtype) for x in (fill, np.ma.default_fill_value(data.dtype)))
    if fill == default or (fill != fill and default != default):
        return None
    return fill[()]


def _fill(label: str, fill: Any, spec: ArraySpec) -> Any:
    import numpy as np

    if spec.dtype_name in ("string", "bytes"):
        wanted = str if spec.dtype_name == "string" else bytes
        if not isinstance(fill, wanted):
            raise DTypeError(f"{label}: the fill value of {spec.dtype_name} is a {wanted.__name__}, not {type(fill).__name__}")
        return fill
    dtype = spec._data.dtype
    if type(fill) is dtype.type and dtype.kind in "biufc":
        return fill
    return _cast(f"{label} fill_value", np.asarray(fill), dtype)[()]
