"""A stored value as a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NoReturn

from . import _core

if TYPE_CHECKING:
    from typing_extensions import Buffer


class ValueFile(io.RawIOBase):
    """A plain value as a binary file to read and seek in; ``Partition.open`` makes it.

    It is one version of the value, whatever is written later, and goes on after
    the store was closed. Nothing is read before it is asked for. ``read(n)``
    gives ``n`` bytes unless the value ends, so that no buffer is needed around
    it; ``io.BufferedReader`` and ``io.TextIOWrapper`` take it all the same.
    """

    # Until it is opened, and after it was closed.
    _raw: _core.ValueReader | None = None
    mode = "rb"

    def __init__(self, raw: _core.ValueReader, key: str) -> None:
        self._raw = raw
        self.name = key

    def _opened(self) -> _core.ValueReader:
        raw = self._raw
        if raw is None:
            raise ValueError("I/O operation on closed file.")
        return raw

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self._opened().size

    def readable(self) -> bool:
        self._opened()
        return True

    def seekable(self) -> bool:
        self._opened()
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        raw = self._opened()
        return raw.read(raw.size if size is None or size < 0 else size)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Buffer, /) -> int:
        with memoryview(buffer) as view, view.cast("B") as out:
            return self._opened().readinto(out)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._opened().seek(offset, whence)

    def tell(self) -> int:
        return self._opened().tell()

    def write(self, data: Buffer, /) -> NoReturn:
        self._opened()
        raise io.UnsupportedOperation("a stored value is not written to; put(key, data) replaces it")

    def close(self) -> None:
        super().close()
        # Lets go of the mapping.
        self._raw = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a file cannot be pickled; pickle the partition and open the key again")

    def __repr__(self) -> str:
        state = "closed" if self._raw is None else f"{self._raw.size} bytes"
        return f"<arraylog.ValueFile {self.name!r} {state}>"
