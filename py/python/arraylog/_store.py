"""A store: one file, opened."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from . import _core
from ._batch import Batch
from ._damage import Damage, Salvaged, Verification, damages
from ._errors import InvalidError, ReadOnlyError
from ._later import unsupported
from ._partition import Partition
from ._progress import Progress, copying
from ._reference import Origin
from ._spec import check_chunks
from ._snapshot import Snapshot, level_of, origin_of, rate_of, seqno_of

MEMORY = ":memory:"
_MODES = ("r", "r+", "a", "w", "x")
_ADVICE = ("normal", "random", "sequential", "willneed")
_CHOICES = {
    "durability": ("buffered", "synced"),
    "verify": ("first", "always", "never"),
    "io": ("mmap", "read"),
}


def open(
    path: str | os.PathLike[str],
    mode: Literal["r", "r+", "a", "w", "x"] = "r",
    *,
    durability: Literal["buffered", "synced"] = "buffered",
    verify: Literal["first", "always", "never"] = "first",
    io: Literal["mmap", "read"] = "mmap",
    lock: bool = True,
    follow: bool = False,
    scan: bool = False,
    chunk_cache: int = 32 << 20,
    replay_bound: int | None = None,
    compact_when: tuple[float, int] | None = None,
    storage_options: None = None,
) -> Store:
    """Opens a store.

    ``mode``: ``r`` reads; ``r+`` reads and writes a store that exists; ``a``
    makes it if it is missing; ``x`` makes it and refuses one that exists; ``w``
    makes a new one and puts it in the place of an old store, never of any other
    file. ``":memory:"`` is a store without a file, gone with its last handle.

    ``durability``: ``buffered`` commits are in the kernel when a call returns
    and survive the end of the process by any signal, not a loss of power;
    ``synced`` commits are on the device, at the cost of a device flush each.
    ``close()`` and ``sync()`` make everything durable.

    ``verify``: checksums are compared when a process touches a value for the
    first time, always, or never.

    ``io="mmap"`` reads without a copy, on the condition that no other program
    truncates the file or changes what is committed. ``io="read"`` copies, for
    network file systems and where that cannot be promised.

    ``lock=False`` opens for writing without the lock that keeps a second writer
    out, where a file system has none.

    ``scan=True`` reads the whole log instead of the index that the file has, for a
    file whose index is damaged; it takes time that grows with the store.

    ``follow=True``, for mode ``r``: every lookup, length and listing sees what
    another process has committed by then, as if ``refresh()`` stood before it,
    and goes on with the new file where that process compacted; it costs next to
    nothing when nothing happened. An iteration stays as it
    began. A handle that is pickled does not follow where it is opened again.

    ``chunk_cache``: bytes of decoded chunks that stay in memory at most, for the whole
    store. A chunk of an array with a codec is kept when a part of it was read, so that
    ``array[0]``, ``array[1]`` and so on decode each chunk once; reads of whole chunks
    leave it alone.
    Memory is taken as chunks are read. 0 keeps none.

    ``replay_bound`` and ``compact_when`` are for the modes that write. The index is
    saved in the background when more than ``replay_bound`` records (65,536 unless
    given) and more than a quarter of all, or more than a gibibyte, would have to be
    replayed after an unclean stop: a small number opens fast after a kill, a large one
    writes less. ``compact_when=(share, least_bytes)`` compacts in the background, as
    ``compact()`` does, when that would free at least that share (0 to 1) of a file of at
    least so many bytes; past commits are gone then. It is looked at each time that the
    file has grown by an eighth.

    What the engine does on its own is told to the logger ``arraylog``: what was
    skipped when a store was opened (WARNING), that writing has stopped after a
    failed flush (ERROR), checkpoints (INFO), what was replayed (DEBUG).
    """
    if storage_options is not None:
        raise unsupported("open(storage_options=)")
    name = os.fspath(path)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if "\0" in name:
        raise ValueError("the path has a NUL character")
    if mode not in _MODES:
        raise ValueError(f"mode {mode!r}: one of {', '.join(map(repr, _MODES))}")
    for option, found in (("durability", durability), ("verify", verify), ("io", io)):
        if found not in _CHOICES[option]:
            raise ValueError(f"{option}={found!r}: one of {', '.join(map(repr, _CHOICES[option]))}")
    if name == MEMORY and mode == "r":
        raise ValueError('a store in memory is new and empty: mode "a", "w", "x" or "r+"')
    if follow and mode != "r":
        raise ValueError(f'follow=True is for mode "r": mode {mode!r} sees its own commits at once, and has no others')
    bound = None if replay_bound is None else _count_of("replay_bound", "records", replay_bound)
    upkeep = (bound, _threshold_of(compact_when))
    if mode == "r" and upkeep != (None, None):
        raise ValueError('replay_bound= and compact_when= are for modes that write, not "r"')
    kept = _count_of("chunk_cache", "bytes", chunk_cache)
    switches = (bool(lock), bool(follow), bool(scan))
    handle = _core.Store(name, mode, durability, verify, io, kept, switches, upkeep, None)
    origin = origin_of(handle, name, verify, io, kept, writable=mode != "r")
    return Store(handle, origin, name, mode, bool(follow))


def open_degraded(path: str | os.PathLike[str]) -> Store:
    """Opens a damaged file for all that still holds: read-only, by copying, without its
    saved index. The file is not changed.

    Everything is compared with its checksum before it is given out. Reading what is
    damaged raises CorruptionError; an older version of it is never given out instead.
    ``recovery.damage`` lists what was found. Where a part is "unknown" or "missing", a
    key that is not there may have been in it, and what is there may have been written
    again, or removed, in it. Partitions whose name is lost are "partition-5" of the
    collection "lost".

    Shows one state, and its handles do not pickle. Reads the whole log but for values of
    64 KiB and more. ``salvage()`` writes what holds to a new store.
    """
    name = os.fspath(path)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    handle = _core.Store.degraded(name)
    return Store(handle, origin_of(handle, name, "always", "read"), name)


def _count_of(option: str, what: str, count: int) -> int:
    found = operator.index(count)
    if not 0 <= found < 1 << 64:
        raise InvalidError(f"{option}={found}: a number of {what}, 0 to 2^64 - 1")
    return found


def _threshold_of(when: tuple[float, int] | None) -> tuple[float, int] | None:
    if when is None:
        return None
    try:
        share, least = when
        threshold = float(share), operator.index(least)
    except (TypeError, ValueError):
        raise TypeError(f"compact_when={when!r}: a pair, the share to free and the least bytes of a file") from None
    if not 0 <= threshold[1] < 1 << 64:
        raise InvalidError(f"compact_when={when!r}: the bytes of a file are 0 to 2^64 - 1")
    return threshold


class Recovery(NamedTuple):
    """What opening found."""

    commits: int
    """Commits replayed."""
    records: int
    """Records replayed."""
    clean: bool
    """Whether the last writer closed the store."""
    torn_bytes: int
    """Bytes after the last whole commit that were skipped; 0 if none."""
    torn_at: int
    """Offset at which they start."""
    checkpoint: int
    """Seqno up to which the file had the index; what follows was replayed. 0 if all was."""
    passed_over: list[str]
    """Why newer checkpoints could not be used, the newest first; usually none."""
    damage: list[Damage]
    """What ``open_degraded()`` found damaged. Large values are compared when they are
    read; ``verify()`` reads all."""


class Store(Snapshot):
    """An open store: a mapping of names to collections.

    Opened for reading it shows the state as of opening or of the last
    ``refresh()``. A writer sees its own commits at once. Close it, or use it in
    a ``with`` block: ``close()`` makes everything durable.
    """

    __slots__ = ("_follows", "_mode", "_named", "_pid")

    def __init__(
        self, handle: _core.Store | None, origin: Origin, path: str, mode: str = "r", follows: bool = False
    ) -> None:
        self._follows = follows
        super().__init__(handle, origin, path)
        self._mode = mode
        self._pid = os.getpid()

    @property
    def _origin(self) -> Origin:
        """What handles are pickled with: of a store that follows, what it shows now."""
        handle = self._opened
        if self._follows and handle is not None and not handle.closed:
            self._follow()
        return self._named

    @_origin.setter
    def _origin(self, origin: Origin) -> None:
        self._named = origin

    @property
    def mode(self) -> str:
        """The mode it was opened with."""
        return self._mode

    @property
    def durability(self) -> str:
        """"buffered" or "synced"."""
        return self._handle.durability

    @property
    def recovery(self) -> Recovery:
        """What opening found."""
        found = self._handle.recovery
        return Recovery(*found[:-1], damages(found[-1]))

    def partition(
        self, collection: str = "default", partition: str = "default", *, create: bool | None = None
    ) -> Partition:
        """A partition. In a writable store its first write makes it; in one that
        reads, or with ``create=False``, it has to exist.
        """
        writable = self._mode != "r"
        if create and not writable:
            raise ReadOnlyError(f"cannot create a partition: {self._path!r} is open for reading only")
        return self._partition(collection, partition, writable if create is None else create)

    def create_partition(
        self,
        collection: str,
        partition: str,
        *,
        codec: str | None = None,
        chunks: Sequence[int] | Literal["auto"] | None = None,
        align: int | None = None,
        attrs: Mapping[str, Any] | None = None,
        exist_ok: bool = False,
    ) -> Partition:
        """Makes a partition, with defaults for what is written to it, in one commit.

        ``align``: values and arrays of 256 bytes and more start at offsets in the
        file that are multiples of it, a power of two from 8 to 2**30; what lies
        between is stored. ``codec`` (``"zstd:3"``) and ``chunks`` are those of arrays
        that do not say theirs (:func:`arraylog.array`): a codec of what it can encode,
        chunks of arrays with as many axes that are longer than a chunk along one;
        ``"auto"`` of those that are more than one chunk of about a mebibyte.

        ConflictError if it exists, unless ``exist_ok``: then it is left as it is,
        its attributes too, and must not have another alignment, codec or chunks than
        are asked for. InvalidError for what cannot be.
        """
        if chunks is not None:
            checked = check_chunks(f"partition {partition!r}", chunks, None)
        else:
            checked = None
        if codec is not None and not isinstance(codec, str):
            raise TypeError(f"codec is the name of one, not {type(codec).__name__}")
        if align is not None:
            align = operator.index(align)
            if not 0 <= align < 1 << 64:
                raise InvalidError(f"alignment of partition {partition!r}: a power of two from 8 to 2^30, this is {align}")
        self._handle.create_partition(
            (collection, partition), (codec, checked), align, attrs, bool(exist_ok)
        )
        return self.partition(collection, partition)

    def drop(self, collection: str, partition: str | None = None) -> bool:
        """Drops a partition, or a collection with all of them, in one small commit;
        False if it is not there.

        It reads as absent at once, through handles from before too. Entries and
        arrays from before stay valid.
        """
        return self._handle.drop(collection, partition)

    def rename_partition(self, collection: str, partition: str, new_collection: str, new_partition: str) -> None:
        """Gives a partition another name, in another collection too, in one small commit.

        ConflictError if the new name is taken.
        """
        self._handle.rename_partition(collection, partition, new_collection, new_partition)

    def rename_collection(self, collection: str, new: str) -> None:
        """Gives a collection another name, in one small commit; ConflictError if it is taken."""
        self._handle.rename_collection(collection, new)

    def batch(self, *, durability: Literal["buffered", "synced"] | None = None) -> Batch:
        """Begins a batch, to be used in a ``with`` block; ``durability`` of its commit."""
        if durability is not None and durability not in _CHOICES["durability"]:
            raise ValueError(f"durability={durability!r}: one of {', '.join(map(repr, _CHOICES['durability']))}")
        return Batch(self._batch(durability))

    def snapshot(self) -> Snapshot:
        """The store as it is now, fixed, whatever is written since.

        Waits for a commit that is under way. A snapshot of a store that is open for
        writing pickles too: what it shows is in the file.
        """
        return self._fixed(self._handle.snapshot())

    def counters(self) -> dict[str, int]:
        """What this store has done since it was opened, by name: commits,
        operations, bytes_written, syncs, checkpoints, index_bytes_written,
        records_compared and blocks_compared (with their checksums, when they
        were first touched), refreshes, records_followed, and the segments of the
        index that serve the partitions in use. Lookups are not counted.
        """
        return self._handle.counters()

    def advise(self, advice: Literal["normal", "random", "sequential", "willneed"]) -> None:
        """Tells the system how the file will be read: here and there, from start to
        end, or all of it soon (what it holds now). It changes what reads cost, not
        what they give, and does nothing where the system takes no advice.
        """
        if advice not in _ADVICE:
            raise ValueError(f"advice={advice!r}: one of {', '.join(map(repr, _ADVICE))}")
        self._handle.advise(advice)

    def refresh(self) -> bool:
        """Shows what another process committed meanwhile; whether there was something."""
        changed = self._handle.refresh()
        if changed:
            self._follow()
        return changed

    def _follow(self) -> None:
        """Has handles pickle as what is shown now."""
        handle = self._handle
        self._named = self._named._replace(
            store_id=handle.id, generation=handle.generation, seqno=handle.seqno
        )

    def compact(
        self,
        *,
        keep: int | Snapshot | None = None,
        by_field: Literal[False] = False,
        dictionaries: bool = True,
        level: int | None = None,
        throttle: int | None = None,
        progress: Progress = False,
    ) -> int:
        """Writes the file anew without what is dead and puts that in its place, while
        others read and write; the bytes by which it is shorter.

        Handles go on with the new file. Views, entries and snapshots from before stay
        valid and keep the old file; ``usage().held_bytes`` tells how much that is.
        Past commits are gone, and with them pickled handles, but for those from
        ``keep`` on: a seqno, or a snapshot.

        Small arrays, of 32 bytes to 16 KiB, whose codec is zstd share a dictionary of their
        partition from then on, where that saves room; each can still be read alone. It is
        trained on a sample, which takes a second or two a partition; ``dictionaries=False``
        leaves all as it is.

        ``level`` is that of zstd, 1 to 22, at which what shares a dictionary is encoded, in
        place of that of each array: more time here, fewer bytes, and reads as before. What
        shares one at another level is encoded anew. Other levels are an ``InvalidError``.
        Without effect if ``dictionaries`` is false.

        ``by_field`` is not in this version: an entry is one record with all its arrays,
        so that there is nothing to lay together but entries.

        ``throttle`` copies at most so many bytes a second. ``progress`` is true for a
        bar (needs tqdm), or is called with the bytes that were copied and those that
        will be; it must not write to the store, and what it raises stops the work.
        After an error or an interrupt the store is as it was.
        """
        if by_field:
            raise unsupported("compact(by_field=)")
        since = keep.seqno if isinstance(keep, Snapshot) else keep
        with copying(progress) as move:
            since = None if since is None else seqno_of(since)
            freed = self._handle.compact(since, rate_of(throttle), bool(dictionaries), level_of(level), move)
        self._follow()
        return freed

    def verify(self, *, threads: int | None = None, progress: Progress = False) -> Verification:
        """Reads the whole file and compares everything in it with its checksums: header
        pages, frames, records with the blocks of their values, older versions too, and
        the saved index. Each record is then looked up in that index, which has to lead
        to the newest version of each key and to nothing else. Damage is what it answers,
        no exception.

        By a thread for each processor, or ``threads``, without the GIL. What is
        committed meanwhile is not looked at. ``progress`` is true for a bar (needs
        tqdm), or is called with the bytes that were read and those that will be; what it
        raises stops the work. A file that cannot be opened any more is opened by
        ``open_degraded()``.
        """
        count = None if threads is None else operator.index(threads)
        if count is not None and count < 1:
            raise ValueError(f"threads={count}: at least 1")
        with copying(progress) as move:
            found = self._handle.verify(count, move)
        return Verification(*found[:-1], damages(found[-1]))

    def salvage(
        self, path: str | os.PathLike[str], *, replace: bool = False, progress: Progress = False
    ) -> Salvaged:
        """Writes all that can be read of this store, which ``open_degraded()`` opened, to
        a new store at ``path``, and tells what was left behind.

        The copy is read back and compared before it takes its name. An entry of which
        some arrays or attributes are damaged is copied with the others. FileExistsError if
        something is at ``path``; ``replace=True`` replaces a store that nobody writes
        to. ``progress`` as for ``verify()``.
        """
        with copying(progress) as move:
            found = self._handle.salvage(os.fsdecode(path), bool(replace), move)
        return Salvaged(*found[:-1], damages(found[-1]))

    def checkpoint(self) -> bool:
        """Saves the index in the file now, so that the next opening replays nothing;
        whether there was something to save.

        ``close()`` does it, and a thread in the background whenever much was written.
        Commits go on meanwhile.
        """
        return self._handle.checkpoint()

    def sync(self) -> None:
        """Makes every commit so far durable."""
        self._handle.sync()

    def close(self) -> None:
        """Makes everything durable and closes. Idempotent.

        Entries, arrays, ndarrays, memoryviews and snapshots go on working.
        """
        super().close()

    def __del__(self) -> None:
        handle = getattr(self, "_opened", None)
        if handle is None or handle.closed or self._mode == "r" or self._path == MEMORY:
            return
        if self._pid == os.getpid():
            warnings.warn(f"unclosed store {self._path!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = self._state()
        if self._opened is not None and not self._opened.closed:
            state = f"durability={self._opened.durability!r} {state}"
        return f"<arraylog.Store {self._path!r} mode={self._mode!r} {state}>"
