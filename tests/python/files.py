"""Facts about store files that tests compare: their digest, and where they are mapped."""

import hashlib
import os
from pathlib import Path

import numpy as np

MAPS = Path("/proc/self/maps")


def digest(path):
    """SHA-256 of the file, as text."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def address(view):
    """Address of the first byte of an ndarray or of anything with a buffer."""
    return np.asarray(view).__array_interface__["data"][0]


def mapped_file(at):
    """The file that is mapped at address `at` in this process, or None."""
    for line in MAPS.read_text().splitlines():
        fields = line.split(maxsplit=5)
        low, high = (int(part, 16) for part in fields[0].split("-"))
        if low <= at < high:
            return fields[5] if len(fields) == 6 else None
    return None


def same_file(name, path):
    """Whether a name from the table of mappings is that of `path`."""
    return name is not None and name == os.path.realpath(path)
