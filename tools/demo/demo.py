"""The main job of arraylog on real data: ingest, read back without a copy, compare, measure.

Run by `make demo`. Exit code 0 if everything that was stored came back as it was, else 1.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import arraylog

import columns
import load
import peers
import picture
import report
import second
import series
from progress import step
from series import Measured
from sources import SourceEntry

MOST_READERS = 4  # processes that share the comparison of the series
READS = 200_000  # random reads of a store; files get a tenth, since each costs them an open


@dataclass(frozen=True)
class Size:
    """How much is done: all of it, or a smoke test."""

    limit: int | None  # entries of each file
    every: int  # each n-th series
    nbytes: int  # array bytes that the copies of the series must reach
    reads: int


FULL = Size(None, 1, 1_000_000_000, READS)
SMALL = Size(200, 12, 5_000_000, READS // 20)


@dataclass
class Rates:
    """The measured rates, by store."""

    ingest: dict[str, Measured] = field(default_factory=dict)
    plain: dict[str, Measured] = field(default_factory=dict)
    masked: dict[str, Measured] = field(default_factory=dict)
    scan: dict[str, Measured] = field(default_factory=dict)


class Files:
    """The files of a run, all in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fields = folder / "fields.alog"
        self.series = folder / "series.alog"
        self.lmdb = folder / "series.mdb"
        self.numpy = folder / "series.npy"
        self.picture = folder / "demo.png"

    def remove_big(self) -> None:
        """Remove what only measuring needs."""
        shutil.rmtree(self.numpy, ignore_errors=True)
        for path in (self.series, self.lmdb, Path(f"{self.lmdb}-lock"), *self.folder.glob("*.ndjson")):
            path.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Make the folder and remove what an earlier run left in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.remove_big()
        self.fields.unlink(missing_ok=True)
        self.picture.unlink(missing_ok=True)


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".demo"), help="folder for stores and picture")
    parser.add_argument("--small", action="store_true", help="a few thousand series only: a smoke test")
    parser.add_argument("--keep", action="store_true", help="keep the gigabyte of series and the peers' files")
    options = parser.parse_args()
    files, size = Files(options.out), SMALL if options.small else FULL
    files.prepare()
    started = time.perf_counter()
    try:
        code = run(files, size)
    finally:
        if not options.keep:
            step("remove the big files")
            files.remove_big()
            step("done")
    report.credit()
    print(f"Store of the fields: {files.fields}   Picture: {files.picture}")
    print(f"The whole demo took {time.perf_counter() - started:.0f} s.")
    return code


def run(files: Files, size: Size) -> int:
    """All steps; 1 if anything came back other than it was stored."""
    fields(files, size)
    if second.compare("fields", [("--fields", files.fields, *limited(size))]):
        return 1
    step("cut the fields into series")
    cut = series.cut_series(size.every)
    copies = math.ceil(size.nbytes / sum(entry.nbytes for entry in cut))
    rates = Rates()
    report.heading("3. Series: one for each grid point, copied under new keys; MB are 10^6 bytes of arrays")
    mean = sum(entry.nbytes for entry in cut) / len(cut)
    print(f"  {len(cut):,} series x {copies} copies, on average {mean:,.0f} bytes of arrays each. Batches of "
          f"{series.BATCH:,}.")  # fmt: skip
    durable = measure_arraylog(files, cut, copies, size, rates)
    durable |= measure_lmdb(files, cut, copies, size, rates)
    measure_numpy(files, cut, size, rates)
    print_rates(rates, durable)
    if not agree(rates.scan):
        print("\nMISMATCH: the scans of arraylog and LMDB read different bytes")
        return 1
    part = ("--series", files.series, "--every", size.every, "--copies", copies)
    readers = min(os.cpu_count() or 1, MOST_READERS, copies)
    if second.compare("series", [(*part, "--share", f"{n}/{readers}") for n in range(readers)]):
        return 1
    step("draw the picture")
    picture.draw(files.fields, panels(rates), caption(cut, copies), files.picture)
    return 0


def fields(files: Files, size: Size) -> None:
    """The fields, by the API and by the command line."""
    step("store the fields")
    loaded = load.load(files.fields, size.limit)
    report.fields(loaded, files.fields.stat().st_size)
    step("write the columns as NDJSON and ingest them")
    report.columns(columns.ingest(files.fields, files.folder, size.limit))


def measure_arraylog(files: Files, cut: list[SourceEntry], copies: int, size: Size, rates: Rates) -> dict[str, float]:
    """Ingest, random reads and scan of the store; seconds that `close` took to make it durable."""
    step("arraylog: ingest the series")
    store = arraylog.open(files.series, "x")
    rates.ingest["arraylog"] = series.ingest(store, cut, copies)
    start = time.perf_counter()
    store.close()
    durable = {f"arraylog ({report.megabytes(files.series.stat().st_size)} file)": time.perf_counter() - start}
    step("arraylog: random reads and scan")
    with arraylog.open(files.series, "r") as store:
        for into, masked in ((rates.plain, False), (rates.masked, True)):
            chosen = series.picks(cut, copies, size.reads, masked)
            into["arraylog"] = series.read_random(store, cut, chosen)
        rates.scan["arraylog"] = series.scan(store, cut, copies)
    return durable


def measure_lmdb(files: Files, cut: list[SourceEntry], copies: int, size: Size, rates: Rates) -> dict[str, float]:
    """The same by LMDB."""
    step("LMDB: the same")
    peer = peers.Lmdb(files.lmdb, cut, copies)
    rates.ingest[peer.name] = peer.ingest()
    seconds = peer.sync()
    for into, masked in ((rates.plain, False), (rates.masked, True)):
        into[peer.name] = peer.read_random(series.picks(cut, copies, size.reads, masked))
    rates.scan[peer.name] = peer.scan()
    return {f"LMDB ({report.megabytes(peer.close())} file)": seconds}


def measure_numpy(files: Files, cut: list[SourceEntry], size: Size, rates: Rates) -> None:
    """The same by numpy.save, of one copy: a file for each of a million series would take minutes."""
    step("numpy.save: the same, one copy of the series")
    peer = peers.NumpyFiles(files.numpy, cut, 1)
    rates.ingest[peer.name] = peer.ingest()
    for into, masked in ((rates.plain, False), (rates.masked, True)):
        into[peer.name] = peer.read_random(series.picks(cut, 1, size.reads // 10, masked))
    rates.scan[peer.name] = peer.scan()


def print_rates(rates: Rates, durable: dict[str, float]) -> None:
    """The tables of part 3."""
    synced = "; ".join(f"{name} {seconds:.2f} s" for name, seconds in durable.items())
    report.rates("Ingest, not synced", rates.ingest, f"Making it durable afterwards: {synced}.")
    report.rates("Random read: measured array of a series by key, no mask", rates.plain,
                 "Page cache warm. arraylog verifies checksums at first touch, LMDB has none.")  # fmt: skip
    report.rates("Random read: the same with a mask, given as a MaskedArray", rates.masked,
                 "The mask is unpacked from bits in arraylog and LMDB, read as bytes from files.")  # fmt: skip
    report.rates("Full scan: every byte of every array, summed up by CRC-32", rates.scan,
                 "numpy.save has one copy of the series, and no attributes.")  # fmt: skip


def agree(scans: dict[str, Measured]) -> bool:
    """Whether arraylog and LMDB read the same number of entries and the same bytes."""
    one, two = scans["arraylog"], scans["LMDB"]
    return (one.entries, one.checksum) == (two.entries, two.checksum)


def limited(size: Size) -> tuple[object, ...]:
    """The limit of a size as arguments of the second process."""
    return () if size.limit is None else ("--limit", size.limit)


def panels(rates: Rates) -> list[picture.Panel]:
    """The bars of the picture."""
    speed = {name: m.megabytes_per_second for name, m in rates.ingest.items()}
    scan = {name: m.megabytes_per_second for name, m in rates.scan.items()}
    plain = {name: m.entries_per_second / 1000 for name, m in rates.plain.items()}
    masked = {name: m.entries_per_second / 1000 for name, m in rates.masked.items()}
    each = {name: m.nbytes / m.entries for name, m in (("plain", rates.plain["arraylog"]),
                                                      ("masked", rates.masked["arraylog"]))}  # fmt: skip
    return [
        picture.Panel("Ingest", "MB/s of arrays, batches of 1,000, not synced", speed, lambda x: f"{x:,.0f}"),
        picture.Panel("Random read", f"thousand arrays/s by key, {each['plain']:,.0f} B each", plain, _thousands),
        picture.Panel("Random read, masked", f"thousand arrays/s, {each['masked']:,.0f} B each", masked, _thousands),
        picture.Panel("Full scan", "MB/s of arrays, every byte read", scan, lambda x: f"{x:,.0f}"),
    ]


def _thousands(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def caption(cut: list[SourceEntry], copies: int) -> str:
    """What the bars were measured on."""
    total = copies * sum(entry.nbytes for entry in cut)
    return (
        f"{len(cut):,} series x {copies} copies = {copies * len(cut):,} entries, {total / 1e9:.2f} GB of arrays "
        "(MB = 10⁶ bytes; numpy.save: one copy); Python, one thread, page cache warm"
    )


if __name__ == "__main__":
    raise SystemExit(main())
