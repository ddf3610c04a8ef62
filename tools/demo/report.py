"""What the demo did, on stdout. Every rate says which bytes it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sources
from columns import Ingested
from load import Loaded
from series import Measured


def heading(text: str) -> None:
    """Begin a part."""
    print(f"\n{text}\n{'-' * len(text)}")


def table(rows: Iterable[tuple[object, ...]]) -> None:
    """Print rows in columns: the first one to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    for first, *rest in cells:
        right = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        print("  " + "  ".join((first.ljust(widths[0]), *right)).rstrip())


def fields(loaded: list[Loaded], file_bytes: int) -> None:
    """The files that became collections."""
    heading("1. Fields: each NetCDF file a collection, partitioned by year")
    rows: list[tuple[object, ...]] = [("file", "entry", "partitions", "entries", "arrays", "MB", "entries/s")]
    for one in loaded:
        rate = f"{one.entries / one.seconds:,.0f}"
        rows.append((one.file, f"a {one.entry}", f"{one.partitions:,}", f"{one.entries:,}", f"{one.arrays:,}",
                     f"{one.nbytes / 1e6:.2f}", rate))  # fmt: skip
    table(rows)
    print(f"  MB: elements of all arrays, masks as bits. The store file: {megabytes(file_bytes)}.")


def columns(ingested: list[Ingested]) -> None:
    """The columns through the command line."""
    heading("2. Columns once more: NDJSON through `arraylog ingest`")
    rows: list[tuple[object, ...]] = [("collection", "entries", "NDJSON", "entries/s", "NDJSON MB/s")]
    for one in ingested:
        rows.append((one.collection, f"{one.entries:,}", megabytes(one.nbytes), f"{one.entries / one.seconds:,.0f}",
                     f"{one.nbytes / one.seconds / 1e6:.1f}"))  # fmt: skip
    table(rows)
    print("  Whole run of the command, its start included.")


def rates(what: str, rows: Mapping[str, Measured], note: str) -> None:
    """One kind of work by all stores."""
    print(f"\n  {what}")
    lines: list[tuple[object, ...]] = [("", "entries", "array bytes", "seconds", "entries/s", "MB/s")]
    for name, m in rows.items():
        lines.append((f"  {name}", f"{m.entries:,}", megabytes(m.nbytes), f"{m.seconds:.2f}",
                      f"{m.entries_per_second:,.0f}", f"{m.megabytes_per_second:,.1f}"))  # fmt: skip
    table(lines)
    print(f"    {note}")


def compared(counts: Mapping[str, Mapping[str, int]], processes: int, seconds: float, addresses: bool) -> None:
    """What the second process compared."""
    kinds = ("entries", "arrays", "values", "mask elements", "missing", "dims", "attributes", "times", "zero-copy")
    rows: list[tuple[object, ...]] = [("compared with the source", *kinds)]
    for name, part in counts.items():
        if not part:  # a limited run has no whole variables
            continue
        rows.append((name, *(f"{part[kind]:,}" if part.get(kind) else "-" for kind in kinds)))
    table(rows)
    where = "lies in this file's mapping (/proc/self/maps)" if addresses else "(no /proc/self/maps here)"
    print(f"  zero-copy: arrays of which OWNDATA and WRITEABLE are false and every byte {where}.")
    by = "One process" if processes == 1 else f"{processes} processes, a share each"
    print(f"  Each array's dtype and shape are compared as well. {by}, {seconds:.1f} s.")


def mismatches(lines: list[str], count: int) -> None:
    """What differed."""
    print(f"\nMISMATCH: {count:,} differences, the first of them:")
    for line in lines:
        print(f"  {line}")


def credit() -> None:
    """Where the data comes from."""
    print(f"\nData: {sources.CREDIT}.")


def megabytes(count: Any) -> str:
    """Bytes as 10^6 bytes."""
    return f"{count / 1e6:,.1f} MB"
