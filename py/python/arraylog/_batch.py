"""Writes that commit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from . import _core
from ._edit import Described, append, resize, write_region

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import ArrayLike


class BatchPartition(_core.BatchPartition):
    """A partition to write to within a batch. It has no reads: ordinary handles
    show the last commit.

    ``assign``, ``write_region``, ``append`` and ``resize`` change the entry of the
    store with the batch laid over it: what earlier calls of the batch wrote,
    changed, renamed or removed is seen. If others change such an entry before the
    batch is committed, or the store is compacted, nothing of the batch is stored
    and the ``with`` block raises :class:`ConflictError`; do it again then. Arrays
    that share a dim grow one after the other; the block raises :class:`ShapeError`
    if their sizes differ when it ends.

    ``if_absent`` and ``if_version`` are compared when the batch is committed; if
    one does not hold, nothing of the batch is stored and the ``with`` block
    raises :class:`ConflictError`. Where the batch itself wrote or removed the
    key before, the call raises it.
    """

    __slots__ = ()

    def write_region(self, key: str | bytes, name: str, index: Any, data: ArrayLike) -> None:
        """Writes a part of an array at the commit; see :meth:`Partition.write_region`."""
        write_region(self, key, name, index, data)

    def append(self, key: str | bytes, name: str, data: ArrayLike, *, axis: int = 0) -> None:
        """Makes an array longer along ``axis`` by ``data`` at the commit; see
        :meth:`Partition.append`. Other arrays that have the dim follow in the same batch.
        """
        append(self, key, name, data, axis)

    def resize(self, key: str | bytes, name: str, shape: int | Sequence[int]) -> None:
        """Changes the shape of an array at the commit; see :meth:`Partition.resize`."""
        resize(self, key, name, shape)

    def _array(self, key: str | bytes, name: str) -> Described:
        return Described(name, *self._described(key, name))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a batch cannot be pickled: it belongs to the process that writes")

    def __repr__(self) -> str:
        return f"<arraylog.BatchPartition {self.collection!r}/{self.name!r}>"


class Batch:
    """Writes that become visible together when the ``with`` block ends, or, if it
    raises, not at all.

    It holds what is written through it and nothing else; a call that is refused
    leaves nothing of it. It may be filled from many threads.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: _core.Batch) -> None:
        self._raw = raw

    @property
    def seqno(self) -> int | None:
        """Number of the commit; None before it."""
        return self._raw.seqno

    def partition(self, collection: str = "default", partition: str = "default") -> BatchPartition:
        """A partition to write to; the commit makes it if it is new."""
        return BatchPartition(self._raw, collection, partition)

    def __enter__(self) -> Batch:
        if self._raw.ended:
            raise self._ended()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._raw.commit()
        else:
            self._raw.abandon()

    def _ended(self) -> Exception:
        from ._errors import ClosedError

        return ClosedError("the batch has ended; store.batch() begins another")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a batch cannot be pickled: it belongs to the process that writes")

    def __repr__(self) -> str:
        if not self._raw.ended:
            state = "open"
        elif self.seqno is not None:
            state = f"committed as {self.seqno}"
        else:
            state = "given up"
        return f"<arraylog.Batch {state}>"
