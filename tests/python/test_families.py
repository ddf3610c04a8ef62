"""Arrays of every kind of dtype, codec and layout: what is read of one, by any index, before
and after changes, is what NumPy has.

A case is one index of one array. `ARRAYLOG_TEST_CASES` says how many there are of each kind
of dtype, codec and layout; `make torture-arrays` asks for 20,000, in at most `MINUTES`.
"""

import os
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings

import arraylog
from arraylog._indexing import take
from families import LAYOUTS, SLICES, Elements, Plan, families, plans, random_state

CASES = int(os.environ.get("ARRAYLOG_TEST_CASES") or 300)
# Plans for one store, which grows with each.
ROUND = 75
MINUTES = float(os.environ.get("MINUTES") or 60)
SEED = int(os.environ.get("SEED") or 1)
# The usual number is tried with other arrays each time.
TORTURE = CASES > 300


def outcome(array, index):
    """The result, or the error, in parts that compare."""
    try:
        return array[index]
    except (IndexError, ValueError, TypeError) as error:
        return type(error), str(error)


def bits(array):
    """What elements are compared by: every bit, or what they are in Python."""
    return array.tolist() if array.dtype.kind in "OT" else array.tobytes()


def check(found, expected):
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, np.ma.MaskedArray) and expected is not np.ma.masked:
        assert found.dtype == expected.dtype and found.shape == expected.shape
        missing = np.ma.getmaskarray(expected)
        np.testing.assert_array_equal(np.ma.getmaskarray(found), missing)
        assert bits(found.data[~missing]) == bits(expected.data[~missing])
    elif isinstance(expected, (np.ndarray, np.generic)) and expected is not np.ma.masked:
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert bits(found) == bits(expected), (found, expected)
    elif expected is not np.ma.masked:
        assert found == expected


def change(part, key, elements, step, what, data):
    if step == "assign":
        part.assign(key, {"t": elements.spec(data)})
    elif step == "write":
        part.write_region(key, "t", what, elements.array(data))
    elif step == "edit":
        part.edit(key, "t")[what] = elements.array(data)[()]
    elif step == "append":
        part.append(key, "t", elements.array(data), axis=what)
    else:
        part.resize(key, "t", what)


def compare(part, key, elements, plan):
    """What was stored, after each change, and by each index, against NumPy."""

    def now():
        return part[key]["t"]

    check(now().numpy(), elements.array(plan.first))
    for step, what, data, state in plan.changes:
        change(part, key, elements, step, what, data)
        check(now().numpy(), elements.array(state))
    expected = elements.array(plan.last)
    assert now().chunks == plan.chunks and now().codec == (elements.codec if expected.ndim else None)
    assert now().masked == elements.masked and now().dtype == expected.dtype
    for index in plan.indices:
        wanted = outcome(expected, index)
        check(outcome(now(), index), wanted)
        if plan.chunks is None:
            # Small ones are read whole: here as those that are not.
            check(outcome(Taken(now()), index), wanted)
    kept = now()
    check(kept.numpy(), expected)
    check(outcome(kept, plan.indices[-1]), wanted)


class Taken:
    """An array of which no more is read than an index asks for."""

    def __init__(self, array):
        self.array = array

    def __getitem__(self, index):
        return take(self.array, index)


def try_all(store, plan):
    """A plan with every family."""
    part = store.partition()
    each = [(str(family), Elements(family, plan)) for family in families()]
    with store.batch() as batch:
        staged = batch.partition()
        for key, elements in each:
            staged.write(key, {"t": elements.spec(plan.first)})
    for key, elements in each:
        try:
            compare(part, key, elements, plan)
        except BaseException as error:
            error.add_note(f"{key}: {elements}")
            raise


def a_round(store, layout, examples, number):
    """Tries some plans of a layout."""

    @settings(
        deadline=None,
        max_examples=examples,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(plans(layout))
    def run(plan):
        try_all(store, plan)

    if TORTURE:
        # Everything random follows from it.
        run = seed(SEED + number)(run)
    run()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_are_read_and_changed_as_in_numpy(tmp_path, layout):
    begin, done = time.monotonic(), 0
    # The layouts come one after the other, with as much time each.
    left = 60 * MINUTES / len(LAYOUTS) if TORTURE else float("inf")
    while done < CASES and time.monotonic() - begin < left:
        examples = min(ROUND, -(-(CASES - done) // SLICES))
        path = tmp_path / "t.alog"
        with arraylog.open(path, "a") as store:
            a_round(store, layout, examples, done)
        path.unlink()
        done += examples * SLICES
    if TORTURE:
        took = time.monotonic() - begin
        print(f"\ntorture: {done} cases of each of {len(families())} families, layout {layout}, seed {SEED} in {took:.0f} s")


@pytest.mark.parametrize("chunks", [None, (1,) * 29 + (2, 2, 1)])
def test_as_many_axes_as_there_may_be(store, chunks):
    shape = (1,) * 28 + (3, 2, 3, 2)
    rng = np.random.default_rng(1)
    indices = [..., (0,) * 28, (..., slice(None, None, -2), 1), (0,) * 32, (..., [1, 0, 1], 0), (slice(0, 0), ...)]
    for number in range(4):
        try_all(store, Plan(number, chunks, random_state(rng, shape, sparse=False), indices=indices))
