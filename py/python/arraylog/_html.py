"""Tables for notebooks. Every text of the store is escaped; no array is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._array import Array
    from ._entry import Entry

_MOST_ROWS = 100


def array_html(array: Array) -> str:
    """Name, dtype, shape, dims, how it is stored, and attributes."""
    rows = [
        ("dtype", array._dtype_name),
        ("shape", str(array.shape)),
        ("dims", _dims(array)),
        ("mask", "yes" if array.masked else "no"),
    ]
    chunks, codec = array.chunks, array.codec
    if chunks is None and codec is None:
        rows.append(("bytes", f"{array.nbytes:,}"))
    else:
        rows += [("chunks", "none" if chunks is None else str(chunks)), ("codec", codec or "none"), ("bytes", array._stored())]
    return f"<div><strong>arraylog.Array</strong> {_text(array.name or '(bare)')}{_table(rows)}{_attrs(array.attrs)}</div>"


def entry_html(entry: Entry) -> str:
    """Key, arrays and attributes."""
    head = f"<strong>arraylog.Entry</strong> {_text(entry.key[:200])}"
    if entry.kind == "value":
        return f"<div>{head}: value of {len(entry.value):,} bytes</div>"
    names = list(islice(entry, _MOST_ROWS))
    rows = [(x.name, x._dtype_name, str(x.shape), _dims(x), "masked" if x.masked else "", _chunks(x), x.codec or "") for x in map(entry.__getitem__, names)]
    more = f"<p>and {len(entry) - len(names)} more</p>" if len(entry) > len(names) else ""
    return f"<div>{head}{_table(rows)}{more}{_attrs(entry.attrs)}</div>"


def _chunks(array: Array) -> str:
    return "" if array.chunks is None else f"chunks {array.chunks}"


def _dims(array: Array) -> str:
    return ", ".join("-" if name is None else name for name in array.dims)


def _attrs(attrs: Mapping[str, Any]) -> str:
    if not attrs:
        return ""
    rows = [(name, _short(attrs[name])) for name in islice(attrs, _MOST_ROWS)]
    return f"<details><summary>{len(attrs)} attributes</summary>{_table(rows)}</details>"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"


def _text(text: str) -> str:
    # A surrogate stands for a byte that is no UTF-8, and no browser takes it.
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
