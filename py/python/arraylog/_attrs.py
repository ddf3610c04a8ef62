"""Attributes as mappings: read-only ones of entries and arrays, live ones of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._core import RawAttrs
    from ._snapshot import Snapshot


class Attrs(Mapping[str, Any]):
    """Attributes of an entry or an array, in the order written; read-only.

    Values have the types that were written, except that a tuple comes back as
    a list. Each look makes the value anew, so changing it changes nothing here.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: RawAttrs) -> None:
        self._raw = raw

    def __getitem__(self, name: str, /) -> Any:
        return self._raw.get(_checked(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw.names())

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return same_value(dict(self), dict(other), nan=False)

    __hash__ = None  # type: ignore[assignment]

    def __setitem__(self, name: str, value: Any) -> None:
        raise TypeError("attributes are read-only; write(key, arrays, attrs=...) replaces them with the entry")

    def __delitem__(self, name: str) -> None:
        self[name] = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (dict(self),))

    def __repr__(self) -> str:
        return f"Attrs({dict(self)!r})"


_MISSING = object()


class LiveAttrs(MutableMapping[str, Any]):
    """Attributes of a store, a collection or a partition, as they are at each look.

    Each change is one commit; ``update`` and ``clear`` too. Values have the types
    that were written, except that a tuple comes back as a list. Each look makes the
    value anew: change a list by setting it again. Setting one of a collection or
    partition that is not there makes it.
    """

    __slots__ = ("_collection", "_partition", "_store")

    def __init__(self, store: Snapshot, collection: str | None = None, partition: str | None = None) -> None:
        self._store = store
        self._collection = collection
        self._partition = partition

    def _raw(self) -> RawAttrs:
        return self._store._handle.attrs(self._collection, self._partition)

    def _set(self, values: Mapping[str, Any], clear: bool = False) -> None:
        self._store._handle.update_attrs(self._collection, self._partition, values, clear)

    def __getitem__(self, name: str, /) -> Any:
        return self._raw().get(_checked(name))

    def __contains__(self, name: object, /) -> bool:
        return _checked(name) in self._raw().names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw().names())

    def __len__(self) -> int:
        return len(self._raw())

    def __setitem__(self, name: str, value: Any, /) -> None:
        self._set({_checked(name): value})

    def __delitem__(self, name: str, /) -> None:
        self.pop(name)

    def pop(self, name: str, default: Any = _MISSING, /) -> Any:
        """Takes one away; its value."""
        try:
            return self._store._handle.remove_attr(self._collection, self._partition, _checked(name))
        except KeyError:
            if default is _MISSING:
                raise
            return default

    def popitem(self) -> tuple[str, Any]:
        """Takes the last one away; its name and value."""
        names = self._raw().names()
        if not names:
            raise KeyError("popitem(): there are no attributes")
        return names[-1], self.pop(names[-1])

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Sets many, in one commit."""
        self._set({**dict(other), **values})

    def clear(self) -> None:
        """Takes all away, in one commit."""
        if len(self):
            self._set({}, clear=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return same_value(self._dict(), dict(other), nan=False)

    __hash__ = None  # type: ignore[assignment]

    def _dict(self) -> dict[str, Any]:
        """All of one moment."""
        raw = self._raw()
        return {name: raw.get(name) for name in raw.names()}

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (self._dict(),))

    def __repr__(self) -> str:
        try:
            return f"LiveAttrs({self._dict()!r})"
        except (KeyError, ValueError) as error:
            return f"<LiveAttrs: {error}>"


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of an attribute is a str, not {type(name).__name__}")
    return name


def same_value(a: Any, b: Any, *, nan: bool = True) -> bool:
    """Whether two attributes have the same type and value; with ``nan``, NaN is itself."""
    import numpy as np

    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same_value(a[k], b[k], nan=nan) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same_value(x, y, nan=nan) for x, y in zip(a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
            return False
        return a.dtype == b.dtype and same_elements(a, b, nan=nan)
    if nan:
        if type(a) is not type(b):
            return False
        if isinstance(a, np.generic):
            return a.dtype == b.dtype and same_elements(np.asarray(a), np.asarray(b))
        if isinstance(a, (float, complex)):
            return bool(a == b or (a != a and b != b))
    return bool(a == b)


def same_elements(a: Any, b: Any, *, nan: bool = True) -> bool:
    """Whether two unmasked arrays of one dtype have the same shape and elements."""
    import numpy as np

    if a.shape != b.shape:
        return False
    equal = a == b
    if nan and a.dtype.kind in "fcmM":
        equal = equal | ((a != a) & (b != b))
    return bool(np.all(equal))
