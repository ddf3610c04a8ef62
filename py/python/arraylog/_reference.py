"""What a pickled handle is: the name of a state of a file.

A handle pickles as path, identity, generation and seqno. It opens its file when
it is first used, once per process for all handles of one state.
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
    from ._store import Collection, Store

logger = logging.getLogger("arraylog")


class Origin(NamedTuple):
    """Which store a handle belongs to, and how it was opened."""

    path: str
    store_id: bytes
    generation: int
    seqno: int
    writable: bool
    verify: str
    io: str

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
                f"pickle handles of arraylog.open({self.path!r}), which reads"
            )
        return self

    def check(self, store_id: bytes, generation: int, seqno: int) -> None:
        """Refuses a file that does not have the state named here."""
        if (store_id, generation) != self.identity:
            raise SnapshotGoneError(f"{self.path!r} is not the file that the pickled handle was made from: it was replaced")
        if seqno < self.seqno:
            raise SnapshotGoneError(f"{self.path!r} ends at commit {seqno}, the pickled handle was at {self.seqno}")
        if seqno > self.seqno:
            logger.warning(
                "%r was at commit %d when the handle was pickled and is at %d where it was opened again; "
                "this process sees the later one",
                self.path,
                self.seqno,
                seqno,
            )


# Kept open, so that a worker that unpickles one array at a time opens its file
# once; bounded, as each keeps a mapping. By process id too: a child of a fork
# opens its own.
_opened: OrderedDict[tuple[int, Origin], Store] = OrderedDict()
_KEPT_OPEN = 16


def restore_store(origin: Origin) -> Store:
    """The store of this process for a pickled one."""
    from ._store import Store

    slot = (os.getpid(), origin)
    store = _opened.get(slot)
    if store is None or store.closed:
        store = _opened[slot] = Store._unpickled(origin)
    _opened.move_to_end(slot)
    while len(_opened) > _KEPT_OPEN:
        _opened.popitem(last=False)
    return store


def restore_collection(origin: Origin, name: str) -> Collection:
    """The collection of a pickled handle."""
    from ._store import Collection

    return Collection(restore_store(origin), name)


def restore_partition(origin: Origin, collection: str, name: str) -> Partition:
    """The partition of a pickled handle."""
    from ._partition import Partition

    return Partition(restore_store(origin), collection, name, False)


def restore_entry(origin: Origin, collection: str, partition: str, key: Any, version: int) -> Entry:
    """The entry of a pickled handle."""
    from ._entry import Entry

    return Entry(restore_partition(origin, collection, partition), key, version)
