"""One version of an entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import _core
from ._array import Array
from ._attrs import Attrs
from ._reference import Origin, restore_entry


class Entry(_core.Entry, Mapping[str, Array]):
    """One version of an entry: a mapping of names to arrays, or a plain value.

    It never changes and works after ``store.close()``. Two entries are equal if
    they are the same version of the same key of the same partition and store;
    :func:`arraylog.equal` compares contents.
    """

    __slots__ = ()

    def __getitem__(self, name: str, /) -> Array:
        if not isinstance(name, str):
            raise TypeError(f"entry {_short(self.key)}: the name of an array is a str, not {type(name).__name__}")
        try:
            return Array(self, name)
        except KeyError as error:
            error.add_note(f"entry {_short(self.key)} has {_listed(list(self))}")
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return _core.Entry.__len__(self)

    def __bool__(self) -> bool:
        # A plain value has no arrays, but it is there.
        return len(self) > 0 or self.kind == "value"

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    @property
    def attrs(self) -> Attrs:
        """Attributes of the entry."""
        return Attrs(self._raw_attrs())

    def __bytes__(self) -> bytes:
        return bytes(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        if self.kind == "value":
            return np.array(self.value, dtype=dtype, copy=copy)
        if "" not in self:
            names = ", ".join(map(repr, self)) or "no arrays"
            raise TypeError(f"entry {self.key!r} is a mapping of arrays ({names}): take one by its name")
        return self[""].__array__(dtype, copy)

    @property
    def _identity(self) -> tuple[Any, ...]:
        origin, collection, partition = self._place
        return (origin.identity, collection, partition, self.key, self.version)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __reduce__(self) -> tuple[Any, ...]:
        origin: Origin
        origin, collection, partition = self._place
        return (restore_entry, (origin.for_pickle(), collection, partition, self.key, self.version))

    def __copy__(self) -> Entry:
        return self

    def __deepcopy__(self, memo: Any) -> Entry:
        return self

    def __repr__(self) -> str:
        if self.kind == "value":
            return f"<arraylog.Entry {_short(self.key)} value of {len(self.value)} bytes>"
        shown = self._names()[:8]
        arrays = ", ".join(f"{_short_name(name)}: {_form(self[name])}" for name in shown)
        more = f", and {len(self) - 8} more" if len(self) > 8 else ""
        return f"<arraylog.Entry {_short(self.key)} arrays {{{arrays}{more}}} attrs={len(self.attrs)}>"

    def _repr_html_(self) -> str:
        from ._html import entry_html

        return entry_html(self)


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a key, as :meth:`Partition.history` lists them."""

    version: int
    """As :attr:`Entry.version`."""
    seqno: int
    """Number of the commit that wrote it, which ``store.at()`` takes; of a version that
    compaction copied, that of the last commit before."""
    entry: Entry | None
    """What the key mapped to; None if this version removed it."""

    @property
    def removed(self) -> bool:
        """Whether this version removed the key."""
        return self.entry is None


def _listed(names: list[str]) -> str:
    if not names:
        return "no arrays"
    more = f", and {len(names) - 8} more" if len(names) > 8 else ""
    return f"the arrays {', '.join(map(repr, names[:8]))}{more}"


def _form(array: Array) -> str:
    chunks = "" if array.chunks is None else f" chunks={list(array.chunks)}"
    codec = "" if array.codec is None else f" {array.codec}"
    return f"{array._dtype_name}{list(array.shape) if array.shape else ''}{chunks}{codec}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _short_name(name: str) -> str:
    return (name if len(name) <= 40 else name[:39] + "…") or "(bare)"
