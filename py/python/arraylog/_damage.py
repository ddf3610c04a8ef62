"""What is damaged in a file."""

from __future__ import annotations

from typing import Any, NamedTuple


class Damage(NamedTuple):
    """A part of a file that contradicts the format or its checksum."""

    at: int
    """Offset of the first byte of the structure that is wrong."""
    end: int
    """Offset behind its last byte."""
    part: str
    """What it is for: "entry", "older version" (of an entry that was written again or
    removed), "copy" (of what stands twice and holds), "name" (of a collection, a
    partition or a schema), "header", "index", "frame header", "unknown" (entries may
    have been there) or "missing" (cut off)."""
    is_loss: bool
    """Whether entries or names may be lost by it, as opposed to what stands twice."""
    collection: str | None
    """Collection of the entry, where it is known."""
    partition: str | None
    """Its partition."""
    key: str | None
    """Its key, as it stands there."""
    arrays: list[str]
    """The arrays that are hit, if that is known: an entry of less than 64 KiB has one
    checksum for all of them."""
    detail: str
    """What was expected and what was found."""


class Verification(NamedTuple):
    """What ``verify()`` found."""

    bytes: int
    """Bytes of the file that were looked at."""
    records: int
    """Records that were compared with their checksums, older versions included."""
    torn_bytes: int
    """Bytes behind the last commit that was finished; no damage."""
    torn_at: int
    """Offset at which they start."""
    damage: list[Damage]
    """What is damaged, in the order of the file."""

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage


class Salvaged(NamedTuple):
    """What ``salvage()`` copied, and what it left behind."""

    seqno: int
    """Number of the last commit that was found."""
    entries: int
    """Number of entries that the copy has."""
    partial: int
    """Of these, entries that lack some of their arrays or attributes."""
    file_bytes: int
    """Bytes of the copy."""
    damage: list[Damage]
    """What is damaged in the original; ``is_loss`` tells what the copy lacks."""


def damages(found: list[tuple[Any, ...]]) -> list[Damage]:
    """As the core gives them."""
    return [Damage(*each) for each in found]
