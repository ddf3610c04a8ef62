"""Codecs: what there is, and those that are written in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from . import _core

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Codec(Protocol):
    """What ``register_codec`` takes; any object with these two methods is one."""

    def encode(self, data: memoryview, parameters: str, /) -> Buffer:
        """The bytes that are stored for ``data``, the bytes of all elements of a chunk.

        ``parameters`` is what follows the colon in ``codec="name:parameters"``, or "".
        """

    def decode(self, data: memoryview, parameters: str, nbytes: int, /) -> Buffer:
        """The ``nbytes`` bytes that ``data`` was made of by ``encode``."""


def codecs() -> list[str]:
    """Names of the codecs that there are: those of this build, then registered ones.

    ``codec="zstd:3"`` takes a level after a colon; ``"shuffle+"`` may stand before a
    codec. ``"pco"`` takes numbers and times alone.
    """
    return _core.codecs()


def register_codec(name: str, codec: Codec) -> None:
    """Makes ``codec`` usable by ``name`` in this process, for all stores.

    A name is of small letters, digits and ``_.-``, starts with a letter and has at most 64
    bytes. Registering it again replaces the codec; a name that cannot be one, or that of a
    built-in codec, is an ``InvalidError``.

    Files keep the name. Every process that reads such arrays has to register it, child
    processes that are spawned too; where it is missing, reading them is a
    ``CodecUnavailableError``, and all else in the file is read. What was stored has to
    decode the same for ever: another format is another name, or other parameters.

    Both methods may be called by several threads at once. They get a copy of the bytes. What
    they raise is the cause of the error of the write (``InvalidError``) or of the read
    (``CorruptionError``), which names the codec; so is a result of another length than
    ``nbytes``. ``KeyboardInterrupt`` goes on as it is.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a codec is a str, not {type(name).__name__}")
    _core.register_codec(name, codec)
