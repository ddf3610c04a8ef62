"""Writes that commit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from . import _core
from ._later import Later

if TYPE_CHECKING:
    from types import TracebackType


class BatchPartition(Later, _core.BatchPartition):
    """A partition to write to within a batch. It has no reads: ordinary handles
    show the last commit.

    ``if_absent`` and ``if_version`` are compared when the batch is committed; if
    one does not hold, nothing of the batch is stored and the ``with`` block
    raises :class:`ConflictError`. Where the batch itself wrote or removed the
    key before, the call raises it.
    """

    __slots__ = ()
    _later = ("append", "assign", "resize", "write_region")

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
