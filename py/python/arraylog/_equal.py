"""Comparison by content."""

from __future__ import annotations

from ._array import Array
from ._attrs import same_elements, same_value
from ._entry import Entry


def equal(a: Entry | Array, b: Entry | Array) -> bool:
    """Whether two entries, or two arrays, hold the same.

    Values (NaN is NaN), dtype, shape, dims, mask and attributes have to agree;
    what lies under a mask, the order of arrays, and names of stores do not matter.
    """
    if isinstance(a, Array) and isinstance(b, Array):
        return _equal_arrays(a, b)
    if isinstance(a, Entry) and isinstance(b, Entry):
        return _equal_entries(a, b)
    raise TypeError(f"equal() compares two entries or two arrays, not {type(a).__name__} and {type(b).__name__}")


def _equal_entries(a: Entry, b: Entry) -> bool:
    if a.kind != b.kind:
        return False
    if a.kind == "value":
        return a.value == b.value
    return (
        a.keys() == b.keys()
        and same_value(dict(a.attrs), dict(b.attrs))
        and all(_equal_arrays(a[name], b[name]) for name in a)
    )


def _equal_arrays(a: Array, b: Array) -> bool:
    if (a._dtype_name, a.shape, a.dims, a.masked) != (b._dtype_name, b.shape, b.dims, b.masked):
        return False
    if not same_value(dict(a.attrs), dict(b.attrs)):
        return False
    if not a.masked:
        return same_elements(a.data, b.data)
    mask = a.mask
    return same_elements(mask, b.mask) and same_elements(a.data[~mask], b.data[~mask])  # type: ignore[operator]
