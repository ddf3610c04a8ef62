"""Arrays beside their peers: whole, in chunks, in parts; entries of many fields; short series.

    arrays.py [--repetitions N] [--rows A,B] [--entries N] [--folder F]

Everything is read warm. In one repetition each row runs all of its engines, in an order
that changes; a ratio is taken within a repetition. Printed are medians with quartiles. The
answer of every engine is compared. `make bench-arrays` runs it.
"""

import argparse
import os
import random
import shutil
from importlib.metadata import version
from pathlib import Path

import array_rows
import arraylog
import field_rows
import series_rows
from measuring import spread, stated

ROWS = array_rows.ROWS | field_rows.ROWS | series_rows.ROWS

PEERS = ["numpy", "zarr", "h5py", "lmdb", "safetensors", "array_record"]


def run(row, folder, entries, repetitions):
    """What each engine measured, by repetition."""
    engines = list(row.make(folder, entries))
    found = {label: [] for label, _ in engines}
    for _ in range(repetitions):
        for label, measure in random.sample(engines, len(engines)):
            found[label].append(measure())
    return found


def print_row(name, row, found):
    heads = [f"{figure} ({unit})" for figure, unit in row.figures.items()]
    print(f"## {name}\n\n{row.title}\n\n| engine | {' | '.join(heads)} |")
    print("|---" * (len(heads) + 1) + "|")
    for label, measured in found.items():
        cells = [
            spread([figures[figure] for figures in measured]) if figure in measured[0] else "–"
            for figure in row.figures
        ]
        print(f"| {label} | {' | '.join(cells)} |")
    for ratio in row.ratios:
        print(f"\n{stated(ratio, found)}")
    print(flush=True)


def rows_of(text):
    names = text.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    return names


def count_of(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repetitions", type=count_of, default=7)
    arguments.add_argument("--folder", default="target/bench-arrays", type=Path, help="is made anew")
    arguments.add_argument("--rows", type=rows_of, default=list(ROWS), help=", ".join(ROWS))
    arguments.add_argument(
        "--entries", type=count_of, default=field_rows.COUNT, help="of `fields`; of `series`, at most"
    )
    options = arguments.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    print(f"arraylog {arraylog.__version__}, {peers}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}\n")
    if options.entries != field_rows.COUNT or options.repetitions < 7:
        print(f"**A trial run, of {options.entries:,} entries: it measures nothing.**\n")
    for name in options.rows:
        place = options.folder / name
        place.mkdir(parents=True)
        print_row(name, ROWS[name], run(ROWS[name], place, options.entries, options.repetitions))
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
