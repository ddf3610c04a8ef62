"""What a pickled handle is: the name of a state of a file.

A handle pickles as path, identity, generation and seqno. It opens its file at that
commit when it is first used, once per process for all handles of one state.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import SnapshotGoneError

if TYPE_CHECKING:
    from ._entry import Entry
    from ._partition import Partition
    from ._collection import Collection
    from ._snapshot import Snapshot

logger = logging.getLogger("arraylog")


class Origin(NamedTuple):
    """Which state of which store a handle belongs to, and how it was opened."""

    path: str
    store_id: bytes
    generation: int
    seqno: int
    writable: bool
    verify: str
    io: str
    chunk_cache: int
    fixed: bool

    @property
    def identity(self) -> tuple[bytes, int]:
        """What equal handles have in common."""
        return (self.store_id, self.generation)

    def for_pickle(self) -> Origin:
        """Itself, if another process can open it as it is."""
        if self.path == ":memory:":
            raise pickle.PicklingError("a store in memory cannot be pickled: no other process can open it")
        if self.writable:
            raise pickle.PicklingError(
                f"a writable store, or anything read from it, cannot be pickled; "
                f"pickle handles of store.snapshot(), or of arraylog.open({self.path!r}), which read"
            )
        return self

    def check(self, store_id: bytes, generation: int) -> None:
        """Refuses a file that is not the one named here."""
        if (store_id, generation) != self.identity:
            raise SnapshotGoneError(
                f"{self.path!r} is not the file that the pickled handle was made from: it was replaced or compacted"
            )


# Kept open, so that a worker that unpickles one array at a time opens its file
# once; bounded, as each keeps a mapping. By process id too: a child of a fork
# opens its own.
_opened: OrderedDict[tuple[int, Origin], Snapshot] = OrderedDict()
_KEPT_OPEN = 16


def restore(origin: Origin) -> Snapshot:
    """The store or snapshot of this process for a pickled one."""
    slot = (os.getpid(), origin)
    store = _opened.get(slot)
    # One that was refreshed shows another state by now.
    if store is None or store.closed or store._origin != origin:
        store = _opened[slot] = _unopened(origin)
    _opened.move_to_end(slot)
    while len(_opened) > _KEPT_OPEN:
        _opened.popitem(last=False)
    return store


def _unopened(origin: Origin) -> Snapshot:
    """One that opens its file when it is first used."""
    from ._snapshot import Snapshot
    from ._store import Store

    if origin.fixed:
        return Snapshot(None, origin, origin.path)
    return Store(None, origin, origin.path)


def restore_collection(origin: Origin, name: str) -> Collection:
    """The collection of a pickled handle."""
    from ._collection import Collection

    return Collection(restore(origin), name)


def restore_partition(origin: Origin, collection: str, name: str) -> Partition:
    """The partition of a pickled handle."""
    from ._partition import Partition

    return Partition(restore(origin), collection, name, False)


def restore_entry(origin: Origin, collection: str, partition: str, key: Any, version: int) -> Entry:
    """The entry of a pickled handle."""
    from ._entry import Entry

    return Entry(restore_partition(origin, collection, partition), key, version)
