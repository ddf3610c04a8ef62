"""One stored entry against what it should be: values, dtypes, masks, dims, attributes, memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

import arraylog
import numpy as np
from numpy.typing import NDArray

from mapping import Mapping
from sources import SourceArray, SourceEntry

SHOWN = 20  # mismatches printed in full; beyond them only the count grows


class Comparison:
    """Compares entries, counts what it compared, and collects what differed."""

    def __init__(self, mapping: Mapping) -> None:
        self.counts: Counter[str] = Counter()
        self.mismatches: list[str] = []
        self._mapping = mapping

    def entry(self, expected: SourceEntry, got: arraylog.Entry | None, where: str) -> None:
        """Compare a whole entry: no array or attribute too many, none missing."""
        if got is None:
            self.differs(where, "no such entry")
            return
        self.counts["entries"] += 1
        self.equal(list(expected.arrays), list(got), where, "arrays")
        for name, array in expected.arrays.items():
            if name in got:
                self._array(array, got[name], f"{where}/{name}")
        self._attrs(expected.attrs, got.attrs, where)

    def equal(self, expected: object, got: object, where: str, what: str) -> None:
        """Note a mismatch unless both are equal."""
        if expected != got:
            self.differs(where, f"{what}: expected {expected!r}, found {got!r}")

    def differs(self, where: str, what: str) -> None:
        """Note a mismatch."""
        self.counts["mismatches"] += 1
        if len(self.mismatches) < SHOWN:
            self.mismatches.append(f"{where}: {what}")

    def _array(self, expected: SourceArray, got: arraylog.Array, where: str) -> None:
        data = got.data
        self.counts["arrays"] += 1
        self.counts["dims"] += len(expected.dims)
        self.equal(expected.form, (tuple(got.dims), data.shape, data.dtype), where, "dims, shape, dtype")
        self._zero_copy(data, where)
        self._values(expected, got, data, where)
        self._attrs(expected.attrs, got.attrs, where)

    def _zero_copy(self, data: NDArray[Any], where: str) -> None:
        flags = data.flags
        if flags.owndata or flags.writeable:
            self.differs(where, f"memory: OWNDATA {flags.owndata}, WRITEABLE {flags.writeable}, expected False")
        elif self._mapping.known and data.size and not self._mapping.holds(data):
            self.differs(where, "memory: not in the mapping of this file")
        else:
            self.counts["zero-copy"] += 1

    def _values(self, expected: SourceArray, got: arraylog.Array, data: NDArray[Any], where: str) -> None:
        """Bit for bit, so that NaN equals itself and -0.0 is not 0.0; not below the mask."""
        self.counts["values"] += expected.data.size
        if expected.mask is None:
            self.equal(False, got.masked, where, "masked")
            if expected.bits != data.tobytes():
                self.differs(where, "values differ")
            return
        self.counts["mask elements"] += expected.mask.size
        self.counts["missing"] += int(np.count_nonzero(expected.mask))
        self.equal(expected.fill_value, got.fill_value, where, "fill value")
        mask = got.mask
        if mask is None or not np.array_equal(expected.mask, mask):
            self.differs(where, "mask differs")
        elif expected.data[~mask].tobytes() != data[~mask].tobytes():
            self.differs(where, "values differ")

    def _attrs(self, expected: dict[str, Any], got: Any, where: str) -> None:
        """Names, values and types: a float32 must not come back as a float64."""
        found = dict(got)
        self.counts["attributes"] += len(expected)
        if expected.keys() != found.keys():
            self.equal(sorted(expected), sorted(found), where, "attribute names")
        for name, value in expected.items():
            if name in found and not same_attribute(value, found[name]):
                self.differs(where, f"attribute {name}: expected {value!r}, found {found[name]!r}")


def same_attribute(expected: Any, got: Any) -> bool:
    """Whether two attributes have the same type, shape and value (NaN equals itself)."""
    if type(expected) is str:
        return type(got) is str and expected == got
    if isinstance(expected, np.ndarray | np.generic):
        one, two = np.asarray(expected), np.asarray(got)
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    return type(expected) is type(got) and bool(expected == got)


def as_source(entry: arraylog.Entry, collection: str, partition: str) -> SourceEntry:
    """A stored entry in the place of an expected one."""
    arrays = {
        name: SourceArray(tuple(map(str, a.dims)), a.data, a.mask if a.masked else None, a.fill_value, dict(a.attrs))
        for name, a in entry.items()
    }
    return SourceEntry(collection, partition, entry.key, arrays, dict(entry.attrs))
