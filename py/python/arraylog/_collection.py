"""A mapping of names to partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._attrs import LiveAttrs
from ._partition import Partition
from ._reference import restore_collection

if TYPE_CHECKING:
    from ._snapshot import Snapshot


class Collection(Mapping[str, Partition]):
    """A collection of a store: a mapping of names to partitions."""

    __slots__ = ("_name", "_store")

    def __init__(self, store: Snapshot, name: str) -> None:
        self._store = store
        self._name = name

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._name

    @property
    def attrs(self) -> LiveAttrs:
        """Attributes of the collection, live: each change is one commit."""
        return LiveAttrs(self._store, self._name)

    def __getitem__(self, name: str, /) -> Partition:
        if not isinstance(name, str):
            raise TypeError(f"the name of a partition is a str, not {type(name).__name__}")
        return self._store._partition(self._name, name, False)

    def __contains__(self, name: object, /) -> bool:
        if not isinstance(name, str):
            raise TypeError(f"the name of a partition is a str, not {type(name).__name__}")
        return self._store._handle.has_partition(self._name, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store._handle.partitions(self._name))

    def __len__(self) -> int:
        return len(self._store._handle.partitions(self._name))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):
            return NotImplemented
        return (self._store._origin.identity, self._name) == (other._store._origin.identity, other._name)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (restore_collection, (self._store._origin.for_pickle(), self._name))

    def __repr__(self) -> str:
        try:
            size = f"{len(self)} partitions"
        except ValueError:
            size = "store closed"
        return f"<arraylog.Collection {self._name!r} {size}>"
