"""A mapping of keys to entries."""

from __future__ import annotations

import operator
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import islice
from operator import length_hint
from typing import TYPE_CHECKING, Any, overload

from . import _core
from ._array import Array
from ._attrs import LiveAttrs
from ._batch import Batch
from ._edit import ArrayEditor, append, resize, write_region
from ._entry import Entry, KeyVersion
from ._errors import ConflictError, InvalidError
from ._later import Later
from ._progress import Progress, Report
from ._reference import restore_partition
from ._spec import ArraySpec
from ._stream import ValueFile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._snapshot import Snapshot

_MISSING = object()
# The class of the usual array, from the first on: NumPy is not imported before.
_NDARRAY: set[type[Any]] = set()


class Partition(Later, _core.Partition, MutableMapping[str, Entry]):
    """A partition of a collection: a mapping of keys to entries.

    Keys are ``str`` (their UTF-8) or ``bytes``, and come back as ``str``. The
    order is that of the latest whole write of each key. ``write``, ``put``,
    ``assign``, ``write_region``, ``append``, ``resize``, ``remove``, ``rename``
    and ``copy`` are one commit each, ``update``, ``remove_many`` and ``clear`` too.

    ``if_absent=True`` and ``if_version=entry.version`` make a write depend on
    what is there; if it is something else, nothing is stored and
    :class:`ConflictError` says what. Of several threads that ask for the same,
    one goes ahead.
    """

    __slots__ = ()
    _later = ("dataset",)

    @property
    def store(self) -> Snapshot:
        """The store, or the snapshot, that it belongs to."""
        owner: Snapshot = self._owner
        return owner

    @property
    def attrs(self) -> LiveAttrs:
        """Attributes of the partition, live: each change is one commit."""
        return LiveAttrs(self.store, self.collection, self.name)

    def __getitem__(self, key: str | bytes, /) -> Entry:
        return Entry(self, key)

    def __setitem__(self, key: str | bytes, value: Any, /) -> None:
        store_item(self, key, value)

    def __delitem__(self, key: str | bytes, /) -> None:
        if not self.remove(key):
            Entry(self, key)  # KeyError, in the words of a read.

    def __iter__(self) -> Iterator[str]:
        return _core.Partition.__iter__(self)

    def __len__(self) -> int:
        return _core.Partition.__len__(self)

    def __contains__(self, key: object, /) -> bool:
        return _core.Partition.__contains__(self, key)

    def open(self, key: str | bytes) -> ValueFile:
        """The plain value of ``key`` as a binary file, whose bytes are read as they are
        asked for. KeyError, or a KindError for an entry of arrays.
        """
        return ValueFile(self._open_value(key), key if isinstance(key, str) else key.decode("utf-8", "surrogateescape"))

    def clear(self) -> None:
        """Removes every entry, in one commit."""
        _core.Partition.clear(self)

    def popitem(self) -> tuple[str, Entry]:
        """Removes the last entry and returns it with its key; walks over all keys."""
        last = deque(self, maxlen=1)
        if not last:
            raise KeyError(f"popitem(): partition {self.collection!r}/{self.name!r} is empty")
        return last[0], self.pop(last[0])

    def setdefault(self, key: str | bytes, default: Any = None) -> Entry:
        """The entry of ``key``; stores ``default`` first if there is none. Of
        several threads, one stores."""
        if key not in self:
            try:
                store_item(_IfAbsent(self), key, default)
            except ConflictError:
                pass  # Another thread was first.
        return self[key]

    @overload
    def get_many(self, keys: Iterable[str | bytes], arrays: None = None, *, default: Any = ...) -> list[Entry]: ...
    @overload
    def get_many(self, keys: Iterable[str | bytes], arrays: str, *, default: Any = ...) -> list[NDArray[Any]]: ...
    @overload
    def get_many(
        self, keys: Iterable[str | bytes], arrays: list[str] | tuple[str, ...], *, default: Any = ...
    ) -> list[dict[str, NDArray[Any]]]: ...
    def get_many(
        self,
        keys: Iterable[str | bytes],
        arrays: str | list[str] | tuple[str, ...] | None = None,
        *,
        default: Any = _MISSING,
    ) -> list[Any]:
        """What many keys hold, as of one moment, in the order of the keys; a key
        that is given twice comes twice.

        Entries; with the name of an array that array of each; with a list or
        tuple of names a dict of these arrays of each. Where a key is missing
        the list has ``default``; without one it is a KeyError with the first
        such key and their number. An entry without an array that is asked for
        is always a KeyError. The lookups overlap, so that a key costs less
        than in a loop.
        """
        if default is _MISSING:
            return self._get_many(keys, arrays, Entry)
        return self._get_many(keys, arrays, Entry, default)

    def attr_column(
        self, name: str, *, keys: Iterable[str | bytes] | None = None, objects: bool = False
    ) -> NDArray[Any]:
        """The attribute ``name`` of every entry as one array of one axis, in the order
        of iteration, as of one moment; with ``keys`` of these, in their order.

        The dtype is that of the attribute: ``float`` is float64, ``int`` int64,
        ``str`` StringDType, ``bytes`` object, NumPy's scalars their own (of fixed
        text the widest). Where an entry has no such attribute, or has None, or is
        a plain value, the array is masked; a MaskedArray comes out exactly then.
        Nothing is widened: attributes of several dtypes, and lists, mappings and
        arrays among them, are a TypeError that names two entries. With
        ``objects=True`` the array is of objects, each what ``entry.attrs[name]``
        gives, None among them.

        KeyError if no entry has a value, and for a missing key. The array is the
        caller's, and writable. Costs a read of the head of each entry, and
        nothing of its arrays; where entries were amended, a look-up of each.
        Positions agree with ``list(part)`` if nothing was written in between:
        take both from a snapshot.
        """
        return _core.Partition.attr_column(self, name, keys=keys, objects=objects)

    def edit(self, key: str | bytes, name: str = "") -> ArrayEditor:
        """An array to read and write: ``part.edit(key, name)[2:4] = data``; KeyError.

        Each assignment is a :meth:`write_region`.
        """
        return ArrayEditor(self, key, name)

    def write_region(self, key: str | bytes, name: str, index: Any, data: ArrayLike) -> None:
        """Writes a part of an array, in one commit; the entry keeps its place in the
        order of keys and gets a new version.

        ``index`` is one of NumPy's: ints, slices, Ellipsis, None, arrays of ints and
        masks; what is not inside the array is an IndexError, and nothing is clipped. Of
        an element that arrays of ints name twice the last value counts. ``data`` has the dtype of the array, or is
        a list or scalar of Python's that is exact in it, and is broadcast to the part
        as NumPy does. A masked array takes masked data; without a mask nothing of the
        part is missing.

        Of a chunked array the chunks are written that have some of the part; any
        other array is written again, all of it.
        """
        write_region(self, key, name, index, data)

    def append(self, key: str | bytes, name: str, data: ArrayLike, *, axis: int = 0) -> None:
        """Makes an array longer along ``axis`` by ``data``, in one commit.

        The other axes of the data are as long as those of the array; dtype, mask and
        cost as those of :meth:`write_region`. ShapeError too if another array of the
        entry has the dim.
        """
        append(self, key, name, data, axis)

    def resize(self, key: str | bytes, name: str, shape: int | Sequence[int]) -> None:
        """Changes the shape of an array, in one commit.

        What is cut off is gone; what is new is the fill value, or zero, or empty, and
        in a masked array missing. The number of axes stays. Cost as that of
        :meth:`write_region`.
        """
        resize(self, key, name, shape)

    def _array(self, key: str | bytes, name: str) -> Array:
        return Entry(self, key)[name]

    def history(self, key: str | bytes, *, limit: int | None = None) -> list[KeyVersion]:
        """The versions of a key that the file still has, newest first, those
        that removed it among them; empty if it was never written.

        Each costs a read of it and of a part of the frame headers. What was
        written before a removal may be found by reading the log alone, so that
        the whole history reads the log once, all but the blocks of large
        values. With ``limit``, at most so many versions, that is left out
        where each version up to there leads to the one before.
        """
        most = sys.maxsize if limit is None else operator.index(limit)
        if most < 0:
            raise InvalidError(f"limit={most}: a number of versions")
        return [KeyVersion(*each) for each in self._history(key, Entry, min(most, sys.maxsize))]

    def update(self, other: Any = (), /, **items: Any) -> None:
        """Stores many items, as ``part[key] = value`` would, in one commit."""
        with Batch(self.store._batch()) as batch:
            target = batch.partition(self.collection, self.name)
            for key, value in _pairs(other):
                store_item(target, key, value)
            for key, value in items.items():
                store_item(target, key, value)

    def extend(
        self,
        items: Iterable[tuple[str | bytes, Any]],
        *,
        batch: int = 1000,
        progress: Progress = False,
    ) -> int:
        """Stores many items, as ``part[key] = value`` would, in commits of ``batch``; how many.

        If it fails, or is interrupted, nothing of the commit in the making is
        stored, and the exception has the number of items that are in
        ``.committed``. ``progress`` is true for a bar (needs tqdm), or is
        called with the number done and the total (0 if it is not known).
        """
        if batch < 1:
            raise ValueError(f"batch={batch}: a commit has at least one item")
        source = _pairs(items)
        report = Report(progress, length_hint(items, 0), "entry")
        committed = pending = 0
        current: Batch | None = None
        try:
            while True:
                with Batch(self.store._batch()) as current:
                    target = current.partition(self.collection, self.name)
                    for key, value in islice(source, batch):
                        store_item(target, key, value)
                        pending += 1
                if not pending:
                    return committed
                committed, pending = committed + pending, 0
                report(committed)
        except BaseException as error:
            if current is not None and current.seqno is not None:
                # Interrupted right after the commit.
                committed += pending
            error.committed = committed  # type: ignore[attr-defined]
            error.add_note(f"{committed} items are stored, in whole commits of {batch}")
            raise
        finally:
            report.close(committed)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Partition):
            return NotImplemented
        return self._identity == other._identity

    __hash__ = None  # type: ignore[assignment]

    @property
    def _identity(self) -> tuple[Any, ...]:
        return (self.store._origin.identity, self.collection, self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return (restore_partition, (self.store._origin.for_pickle(), self.collection, self.name))

    def __repr__(self) -> str:
        try:
            size = f"{len(self)} entries"
        except ValueError:
            size = "store closed"
        return f"<arraylog.Partition {self.collection!r}/{self.name!r} {size}>"


def _pairs(items: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(items, Mapping):
        return iter(items.items())
    if hasattr(items, "keys"):
        return ((key, items[key]) for key in items.keys())
    return iter(items)


class _IfAbsent:
    """A partition to :func:`store_item`, which stores where nothing is."""

    __slots__ = ("_part",)

    def __init__(self, part: Partition) -> None:
        self._part = part

    def put(self, key: str | bytes, data: Any) -> None:
        self._part.put(key, data, if_absent=True)

    def write(self, key: str | bytes, arrays: Any) -> None:
        self._part.write(key, arrays, if_absent=True)

    def _copy(self, key: str | bytes, entry: Entry) -> None:
        self._part._copy(key, entry, if_absent=True)


def store_item(target: Any, key: str | bytes, value: Any) -> None:
    """``target[key] = value``, for a partition and for one of a batch."""
    # The usual types first: a check against an abstract one costs as much as a write.
    if isinstance(value, (bytes, bytearray, memoryview)):
        target.put(key, value)
    elif type(value) is dict:
        target.write(key, value)
    elif type(value) in _NDARRAY:
        target.write(key, {"": value})
    elif isinstance(value, Entry):
        target._copy(key, value)
    elif isinstance(value, Mapping):
        target.write(key, value)
    elif is_array(value):
        target.write(key, {"": value})
    elif value is None or isinstance(value, (str, int, float, complex, list, tuple, set)):
        raise TypeError(
            f"cannot store a {type(value).__name__} as entry {key!r}: bytes are a value, "
            "an ndarray is a bare array, a mapping of names to arrays is an entry (write())"
        )
    else:
        target.put(key, value)


def is_array(value: Any) -> bool:
    """Whether it becomes a bare array: of NumPy, labelled, or of a library with DLPack."""
    import numpy as np

    _NDARRAY.add(np.ndarray)
    if isinstance(value, (Array, ArraySpec, np.ndarray)):
        return True
    if isinstance(value, (str, bytes)):
        return False
    return isinstance(value, np.generic) or any(
        hasattr(value, name) for name in ("__array__", "__array_interface__", "__dlpack__", "to_numpy")
    )
