"""What this version refuses by name, rather than by AttributeError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ._errors import UnsupportedError


def unsupported(what: str) -> UnsupportedError:
    """The refusal of ``what``."""
    return UnsupportedError(f"{what}: this version of arraylog does not do it yet")


class Later:
    """Gives a class attributes whose use is refused by name.

    ``dir()`` does not list them and type checkers do not know them.
    """

    __slots__ = ()
    _later: tuple[str, ...] = ()

    if not TYPE_CHECKING:  # A checker would take any attribute for granted.

        def __getattr__(self, name: str) -> Any:
            if name in type(self)._later:
                return _Refusal(f"{type(self).__name__}.{name}")
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )

        def __setattr__(self, name: str, value: object) -> None:
            if name in type(self)._later:
                raise unsupported(f"{type(self).__name__}.{name}")
            super().__setattr__(name, value)


class _Refusal:
    """Stands for what is refused when it is used."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise unsupported(self._what)

    __call__ = __getitem__ = __setitem__ = __delitem__ = _refuse
    __iter__ = __len__ = __contains__ = __enter__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unsupported(f"{self._what}.{name}")

    def __repr__(self) -> str:
        return f"<{self._what}: not in this version of arraylog>"
