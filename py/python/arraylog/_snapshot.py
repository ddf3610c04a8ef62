"""A store as it was at one commit."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from . import _core
from ._attrs import LiveAttrs
from ._collection import Collection
from ._errors import InvalidError, SnapshotGoneError
from ._later import Later
from ._partition import Partition
from ._progress import Progress, copying
from ._reference import Origin, restore
from ._usage import Backup, Usage

if TYPE_CHECKING:
    from types import TracebackType


class Snapshot(Later, Mapping[str, Collection]):
    """A store as it was at one commit: a mapping of names to collections.

    Reads, listings and lengths stay as they were, whatever is written since; a
    write is a ReadOnlyError. It is usable after the store was closed, in other
    threads and in a fork, and pickles by path, generation and seqno: another
    process opens the file at that commit.

    It costs nothing to keep but the parts of the index that others have replaced
    meanwhile. ``close()``, or the end of a ``with`` block, lets go of these.
    """

    __slots__ = ("__weakref__", "_opened", "_origin", "_path")

    def __init__(self, handle: _core.Store | None, origin: Origin, path: str) -> None:
        self._opened = handle
        self._origin = origin
        self._path = path

    @property
    def _handle(self) -> _core.Store:
        if self._opened is None:
            self._opened = self._open_again()
        return self._opened

    def _open_again(self) -> _core.Store:
        """Opens the file of an unpickled handle at the commit where that was."""
        origin = self._origin
        try:
            handle = _core.Store(
                origin.path,
                "r",
                "buffered",
                origin.verify,
                origin.io,
                origin.chunk_cache,
                (True, False, False),
                (None, None),
                origin.seqno,
            )
        except InvalidError as error:
            raise SnapshotGoneError(
                f"{origin.path!r} does not have commit {origin.seqno}, at which the handle was pickled: {error}"
            ) from None
        origin.check(handle.id, handle.generation)
        return handle

    @property
    def path(self) -> str:
        """The file as it was named to ``open``."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._opened is not None and self._opened.closed

    @property
    def seqno(self) -> int:
        """Number of the newest commit that this shows."""
        return self._handle.seqno

    @property
    def generation(self) -> int:
        """Which rewrite of the file this is: 0 until it is compacted."""
        return self._handle.generation

    @property
    def attrs(self) -> LiveAttrs:
        """Attributes of the store; of one that is open for writing live: each change is one commit."""
        return LiveAttrs(self)

    def partition(self, collection: str = "default", partition: str = "default") -> Partition:
        """A partition. KeyError if it is not there."""
        return self._partition(collection, partition, False)

    def _partition(self, collection: str, partition: str, create: bool) -> Partition:
        part = Partition(self, collection, partition, create)
        part._open()
        return part

    def at(self, seqno: int) -> Snapshot:
        """The store as it was after the commit with this number, which a batch, an
        entry's writer or ``store.seqno`` gave.

        SnapshotGoneError if compaction removed it, InvalidError if this handle has not
        seen it yet. Replays the commits since the newest checkpoint before it.
        """
        return self._fixed(self._handle.at(seqno_of(seqno)))

    def usage(self, *, detailed: bool = False) -> Usage:
        """Where the bytes go, and what ``compact()`` would free.

        Opens the index of each partition, and looks at 64 entries of each of its
        segments for how many groups of the index a lookup reads. ``detailed`` reads
        the whole log and index, for what is dead in each partition, for frame headers,
        and for the groups that lookups of all entries read. What a store has done is
        in :meth:`Store.counters`.
        """
        return Usage._of(self._handle.usage(bool(detailed)))

    def backup(
        self,
        path: str | os.PathLike[str],
        *,
        replace: bool = False,
        throttle: int | None = None,
        progress: Progress = False,
    ) -> Backup:
        """Writes a copy of the store as it is now to ``path``, while writing goes on: a
        store of its own, without what is dead and without past commits, synced, and
        read back and compared before it takes its name.

        FileExistsError if something is there; ``replace=True`` replaces a store that
        nobody writes to. ``throttle`` copies at most so many bytes a second.
        ``progress`` is true for a bar (needs tqdm), or is called with the bytes that
        were copied and those that will be; what it raises stops the work. After an
        error nothing is left at ``path``.
        """
        with copying(progress) as move:
            return Backup(*self._handle.backup(os.fsdecode(path), bool(replace), rate_of(throttle), move))

    def _fixed(self, handle: _core.Store) -> Snapshot:
        origin = self._origin._replace(
            store_id=handle.id, generation=handle.generation, seqno=handle.seqno, writable=False, fixed=True
        )
        return Snapshot(handle, origin, self._path)

    def _batch(self, durability: str | None = None) -> _core.Batch:
        return _core.Batch(self._handle, durability)

    def __getitem__(self, name: str, /) -> Collection:
        if name not in self:
            self._handle.partitions(name)  # KeyError, with the nearest name.
        return Collection(self, name)

    def __contains__(self, name: object, /) -> bool:
        if not isinstance(name, str):
            raise TypeError(f"the name of a collection is a str, not {type(name).__name__}")
        return self._handle.has_collection(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._handle.collections())

    def __len__(self) -> int:
        return len(self._handle.collections())

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def close(self) -> None:
        """Closes it. Idempotent.

        Entries, arrays, ndarrays and memoryviews go on working.
        """
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        self._handle.collections()  # ClosedError if it is closed.
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (restore, (self._origin.for_pickle(),))

    def __repr__(self) -> str:
        return f"<arraylog.Snapshot {self._path!r} {self._state()}>"

    def _state(self) -> str:
        if self._opened is None:
            return f"seqno={self._origin.seqno} unpickled, not opened yet"
        if self._opened.closed:
            return "closed"
        return f"seqno={self.seqno} collections={len(self)}"


def rate_of(throttle: int | None) -> int | None:
    """An argument that bounds the bytes a second."""
    if throttle is None:
        return None
    rate = operator.index(throttle)
    if not 0 < rate < 1 << 64:
        raise InvalidError(f"throttle={rate}: at least one byte a second")
    return rate


def level_of(level: int | None) -> int | None:
    """An argument that is a level of a codec, as far as any has it."""
    if level is None:
        return None
    number = operator.index(level)
    if not 0 <= number < 1 << 32:
        raise InvalidError(f"level={number}: a level of \"zstd\" is 1 to 22")
    return number


def seqno_of(seqno: Any) -> int:
    """An argument that numbers a commit."""
    number = operator.index(seqno)
    if not 0 <= number < 1 << 64:
        raise InvalidError(f"seqno {number}: the number of a commit is 0 to 2^64 - 1")
    return number


def origin_of(
    handle: _core.Store, path: str, verify: str, io: str, chunk_cache: int = 0, *, writable: bool = False
) -> Origin:
    """How handles of a store that was just opened, or moved on, pickle."""
    where = path if path == ":memory:" else os.path.abspath(path)
    return Origin(where, handle.id, handle.generation, handle.seqno, writable, verify, io, chunk_cache, False)
