"""The exceptions of arraylog.

Each is an :class:`ArrayLogError` and the builtin exception that a caller would
expect; ``kind`` is a stable name of the kind for programs. All take positional
arguments only, so that they cross process boundaries.
"""

from __future__ import annotations

import errno as _errno
import io
import os
from collections.abc import Mapping
from typing import Any


class ArrayLogError(Exception):
    """Everything that a store refuses or fails to do.

    Missing files and the like stay plain ``OSError``s.
    """

    kind: str = "arraylog"


class _SystemError(ArrayLogError):
    """One that is an OSError too: the message alone, as it names the file."""

    # Set by OSError where it is among the bases.
    strerror: str | None

    def __str__(self) -> str:
        return self.strerror or super().__str__()


class NotFoundError(ArrayLogError, KeyError):
    """No collection, partition, key or array of that name."""

    kind = "not-found"
    name: str | None = None
    # KeyError shows the repr of its message.
    __str__ = Exception.__str__


class KindError(ArrayLogError, TypeError):
    """A value was asked for and the entry holds arrays, or the other way round."""

    kind = "kind"


class DTypeError(ArrayLogError, TypeError):
    """A dtype that cannot be stored, or is not the one asked for."""

    kind = "dtype"


class ShapeError(ArrayLogError, ValueError):
    """Shape, dims, mask or length of an array do not fit together."""

    kind = "shape"


class InvalidError(ArrayLogError, ValueError):
    """A name, key or value beyond what can be stored."""

    kind = "invalid"


class ReadOnlyError(_SystemError, io.UnsupportedOperation):
    """A write to a store that was opened for reading."""

    kind = "read-only"


class ClosedError(ArrayLogError, ValueError):
    """The store was closed, or the batch has ended."""

    kind = "closed"


class LockedError(_SystemError, BlockingIOError):
    """Another store object, here or in another process, writes to the file."""

    kind = "locked"


class ConflictError(ArrayLogError, RuntimeError):
    """The entry that a write expected is not the one that is there."""

    kind = "conflict"
    key: str | None = None
    expected: str | None = None
    found: str | None = None


class NotAStoreError(ArrayLogError, ValueError):
    """The file is not an arraylog store; it was not touched."""

    kind = "not-a-store"
    path: str | None = None


class VersionError(ArrayLogError, ValueError):
    """The file has a format version that this build does not read."""

    kind = "version"
    path: str | None = None


class CorruptionError(ArrayLogError, ValueError):
    """Bytes of the file contradict the format or their checksum."""

    kind = "corrupt"
    path: str | None = None
    offset: int | None = None


class UnsupportedError(ArrayLogError, NotImplementedError):
    """Something that this version does not do."""

    kind = "unsupported"


class UnsupportedDTypeError(UnsupportedError, DTypeError):
    """A dtype that this version does not store."""

    kind = "unsupported"


class CodecUnavailableError(UnsupportedError):
    """An array is encoded by a codec that this build does not have, nor this process."""

    kind = "codec-unavailable"
    codec: str | None = None
    array: str | None = None


class DamagedError(CorruptionError):
    """An entry cannot be read, and so not be copied by ``compact()`` or ``backup()``."""

    kind = "damaged"
    key: str | None = None
    partition: str | None = None


class SnapshotGoneError(ArrayLogError, LookupError):
    """A commit, or the state that a pickled handle names, is not there any more."""

    kind = "snapshot-gone"
    path: str | None = None
    seqno: int | None = None
    oldest: int | None = None


class ReplacedError(_SystemError, OSError):
    """The path names another store now, or none; what was read stays valid."""

    kind = "replaced"


class PoisonedError(_SystemError, OSError):
    """An earlier sync failed; the store takes no more writes."""

    kind = "poisoned"


class NotCommittedError(_SystemError, OSError):
    """The commit failed and left nothing behind; the store goes on."""

    kind = "not-committed"


class CommitUnknownError(PoisonedError):
    """The sync of a commit failed, or its write did and could not be taken back: it may or
    may not be there when the store is opened again."""

    kind = "commit-unknown"


class ForkedError(ArrayLogError, RuntimeError):
    """A write in a process forked from the one that opened the store."""

    kind = "forked"


_CLASSES: dict[str, type[ArrayLogError]] = {
    cls.kind: cls
    for cls in (
        NotFoundError,
        KindError,
        DTypeError,
        ShapeError,
        InvalidError,
        ReadOnlyError,
        ClosedError,
        LockedError,
        ConflictError,
        NotAStoreError,
        VersionError,
        CorruptionError,
        DamagedError,
        SnapshotGoneError,
        ReplacedError,
        UnsupportedError,
        CodecUnavailableError,
        PoisonedError,
        NotCommittedError,
        CommitUnknownError,
        ForkedError,
        CodecUnavailableError,
    )
}

# What the system would have answered, for kinds that are OSErrors without one.
_ERRNO = {"read-only": _errno.EBADF, "locked": _errno.EAGAIN, "replaced": _errno.ESTALE}


# Refusals of the engine in the words of the system.
_ERRNO_OF_CAUSE = {
    "AlreadyExists": _errno.EEXIST,
    "InvalidInput": _errno.EINVAL,
    "IsADirectory": _errno.EISDIR,
    "NotADirectory": _errno.ENOTDIR,
    "NotFound": _errno.ENOENT,
    "PermissionDenied": _errno.EACCES,
    "StorageFull": _errno.ENOSPC,
    "Unsupported": _errno.ENOTSUP,
}


def from_engine(kind: str, message: str, fields: Mapping[str, Any]) -> Exception:
    """The exception for an error of the engine."""
    path, cause = fields.get("path"), fields.get("cause")
    number = fields.get("errno") or _ERRNO_OF_CAUSE.get(fields.get("cause_kind", "")) or _ERRNO.get(kind, _errno.EIO)
    if kind == "io":
        # OSError chooses its subclass by the number, FileNotFoundError among them.
        text = cause if number == _errno.EIO and cause else os.strerror(number)
        plain = OSError(number, text, path)
        plain.add_note(message)
        return plain
    cls = _CLASSES.get(kind, ArrayLogError)
    if cause:
        message = f"{message}: {cause}"
    if issubclass(cls, OSError):
        return cls(number, message, path)
    if cls is NotFoundError and fields.get("name") == "":
        message = "there is no bare array; give the name of one: array(key, name)"
    error = cls(message)
    for name, value in fields.items():
        if name not in ("errno", "cause", "cause_kind"):
            setattr(error, name, value)
    return error
