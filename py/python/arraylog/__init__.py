"""An embedded store for keyed n-dimensional arrays: one file, one log, one
index, read without a copy.

Commits are *buffered* by default: they are in the kernel when a call returns
and survive the end of the process, but not a loss of power. ``close()`` and
``sync()`` make them durable; ``open(..., durability="synced")`` makes each so.
"""

from __future__ import annotations

from . import _core
from ._array import Array, ArrayStats
from ._attrs import Attrs
from ._batch import Batch, BatchPartition
from ._codec import Codec, codecs, register_codec
from ._collection import Collection
from ._convert import array
from ._core import __version__, format_version
from ._damage import Damage, Salvaged, Verification
from ._edit import ArrayEditor
from ._entry import Entry, KeyVersion
from ._equal import equal
from ._errors import (
    ArrayLogError,
    ClosedError,
    CodecUnavailableError,
    CommitUnknownError,
    ConflictError,
    CorruptionError,
    DamagedError,
    DTypeError,
    ForkedError,
    InvalidError,
    KindError,
    LockedError,
    NotAStoreError,
    NotCommittedError,
    NotFoundError,
    PoisonedError,
    ReadOnlyError,
    ReplacedError,
    ShapeError,
    SnapshotGoneError,
    UnsupportedDTypeError,
    UnsupportedError,
    VersionError,
)
from ._partition import Partition
from ._snapshot import Snapshot
from ._spec import ArraySpec
from ._store import Recovery, Store, open, open_degraded
from ._stream import ValueFile
from ._usage import Backup, PartitionUsage, Usage

__all__ = [
    "Array",
    "ArrayEditor",
    "ArrayLogError",
    "ArraySpec",
    "ArrayStats",
    "Attrs",
    "Backup",
    "Batch",
    "BatchPartition",
    "ClosedError",
    "Codec",
    "CodecUnavailableError",
    "Collection",
    "CommitUnknownError",
    "ConflictError",
    "CorruptionError",
    "DTypeError",
    "Damage",
    "DamagedError",
    "Entry",
    "ForkedError",
    "InvalidError",
    "KeyVersion",
    "KindError",
    "LockedError",
    "NotAStoreError",
    "NotCommittedError",
    "NotFoundError",
    "Partition",
    "PartitionUsage",
    "PoisonedError",
    "ReadOnlyError",
    "Recovery",
    "ReplacedError",
    "Salvaged",
    "ShapeError",
    "Snapshot",
    "SnapshotGoneError",
    "Store",
    "UnsupportedDTypeError",
    "UnsupportedError",
    "Usage",
    "ValueFile",
    "Verification",
    "VersionError",
    "__version__",
    "array",
    "codecs",
    "equal",
    "format_version",
    "open",
    "open_degraded",
    "register_codec",
]

for _name in __all__:
    # Users see and pickles name the public place.
    if isinstance(_object := globals()[_name], type):
        _object.__module__ = __name__
del _name, _object

if _core.DEBUG_BUILD:
    import warnings

    warnings.warn(
        "this is a debug build of arraylog, many times slower than a release build",
        RuntimeWarning,
        stacklevel=2,
    )
    del warnings
