"""Where the bytes of a store go."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class PartitionUsage:
    """Where the bytes of a partition go."""

    collection: str
    """Its collection."""
    partition: str
    """Its name."""
    entries: int
    """Number of entries."""
    live_bytes: int
    """Bytes of their records."""
    index_bytes: int
    """Bytes of its segments of the index."""
    segments: int
    """Number of these."""
    dead_bytes: int | None
    """Bytes of records that were overwritten or removed; None unless ``detailed``."""
    probes: float | None
    """Groups of the index that a lookup of a stored key reads on average: an estimate
    from 64 entries of each segment, or, if ``detailed``, of all. None if there is no
    segment."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Where the bytes of a store go; ``to_dict()`` is it for JSON.

    ``live_bytes``, ``index_bytes``, ``dead_bytes`` and ``header_bytes`` make up
    ``file_bytes``.
    """

    file_bytes: int
    """Bytes of the file up to the end of the last commit."""
    live_bytes: int
    """Bytes of the records of all entries, and of names and schemas."""
    index_bytes: int
    """Bytes of the segments of the index that are in use."""
    dead_bytes: int
    """Bytes of what was overwritten, removed or dropped, of older segments, of
    checkpoints, frame headers and padding."""
    header_bytes: int
    """Bytes before the first frame."""
    frame_bytes: int | None
    """Of the dead bytes those of frame headers; None unless ``detailed``."""
    reclaimable_bytes: int
    """About how many bytes ``compact()`` would free now."""
    held_generations: int
    """Older generations whose files views, entries or snapshots of this process keep."""
    held_bytes: int
    """Bytes of these files: room that compaction has not freed yet."""
    partitions: list[PartitionUsage]
    """Each partition in the order first written."""

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Usage:
        partitions = [PartitionUsage(**each) for each in fields.pop("partitions")]
        return cls(**fields, partitions=partitions)

    def to_dict(self) -> dict[str, Any]:
        """It and its partitions as dicts of numbers and text."""
        return dataclasses.asdict(self)


class Backup(NamedTuple):
    """What a backup holds."""

    seqno: int
    """Number of the commit that it is the state of."""
    entries: int
    """Number of its entries."""
    file_bytes: int
    """Bytes of its file."""
