"""Arrays of indices and masks: what is written by them, and which chunks they touch."""

import os
import re
import threading
import traceback
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_indexing import elements, indices

import arraylog

EXAMPLES = int(os.environ.get("ARRAYLOG_TEST_EXAMPLES") or 150)
GRID = np.arange(70.0).reshape(10, 7)


class Counted:
    """A codec that counts what it is asked for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.encoded = self.decoded = 0

    def encode(self, data, parameters):
        with self.lock:
            self.encoded += 1
        return zlib.compress(data, 1)

    def decode(self, data, parameters, nbytes):
        with self.lock:
            self.decoded += 1
        return zlib.decompress(data)

    def taken(self):
        counts = self.encoded, self.decoded
        self.encoded = self.decoded = 0
        return counts


@pytest.fixture
def counted():
    codec = Counted()
    arraylog.register_codec("test-counted", codec)
    return codec


@pytest.fixture
def rows(part, counted):
    """10,000 rows in chunks of 100, of which reading all decodes 100."""
    data = np.arange(40_000.0).reshape(10_000, 4)
    part.write("k", {"t": arraylog.array(data, chunks=(100, 4), codec="test-counted")})
    counted.taken()
    return data


@pytest.mark.parametrize(
    ("index", "chunks"),
    [
        (([0, 9_000], np.s_[:]), 2),
        (([0, 9_000],), 2),
        (([9_000, 0, -1_000, 9_001, 0],), 2),
        (([0, 9_000], [1, 3]), 2),
        (([[0], [9_000]], [1, 3]), 2),
        (([5, 250], None, np.s_[::-1]), 2),
        ((np.s_[50:60], [0, 3, 3]), 1),
        ((np.isin(np.arange(10_000), [7, 4_000, 9_999]),), 3),
        ((np.arange(10_000) < 250,), 3),
        (([],), 0),
    ],
)
def test_only_the_chunks_with_a_point_are_decoded_each_once(part, counted, rows, index, chunks):
    found = part["k"]["t"][index]
    assert counted.taken() == (0, chunks)
    assert found.flags.writeable and found.dtype == rows.dtype
    np.testing.assert_array_equal(found, rows[index])


@pytest.mark.parametrize(
    ("index", "chunks"),
    [
        (([0, 9_000],), 2),
        (([9_000, 0, -1_000, 9_001, 0],), 2),
        (([0, 9_000], [1, 3]), 2),
        (([[0], [9_000]], [1, 3]), 2),
        ((None, [5, 250], np.s_[::-1]), 2),
        ((np.isin(np.arange(10_000), [7, 4_000, 9_999]),), 3),
        ((np.s_[50:60], [0, 3, 3]), 1),
    ],
)
def test_only_the_chunks_with_a_point_are_written_in_one_commit(part, counted, rows, index, chunks):
    expected = rows.copy()
    expected[index] = -1.0
    before = len(part.history("k"))
    part.edit("k", "t")[index] = -1.0
    assert counted.taken() == (chunks, chunks)
    assert len(part.history("k")) == before + 1
    np.testing.assert_array_equal(part.array("k", "t"), expected)


def test_points_of_a_plain_array_read_their_own_blocks_of_checksums(path, store, part, reopened):
    data = np.arange(400_000, dtype="i4").reshape(1_000, 400)
    part.write("k", {"t": data, "m": np.ma.MaskedArray(data, data % 3 == 0)})
    # The last commit is compared with its checksums when a store is opened.
    part.put("later", b"")
    store.close()
    raw = bytearray(path.read_bytes())
    row, at = data[500].tobytes(), -1
    for _ in range(2):
        at = raw.index(row, at + 1)
        raw[at] ^= 1
    path.write_bytes(raw)
    entry = reopened()["k"]
    for name in "tm":
        np.testing.assert_array_equal(entry[name][[0, -1, 3], ::7], data[[0, -1, 3], ::7])
        assert entry[name][[0, 999], [5, 6]].tolist() == np.ma.MaskedArray(data, data % 3 == 0 if name == "m" else False)[[0, 999], [5, 6]].tolist()
        for index in ([0, 500], [[0, 500], [1, 2]]):
            with pytest.raises(arraylog.CorruptionError):
                entry[name][index if isinstance(index[0], int) else tuple(index)]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_an_assignment_means_what_it_does_in_numpy(tmp_path, cut, masked):
    with arraylog.open(tmp_path / "t.alog", "a") as store:
        part = store.partition()

        @settings(
            deadline=None,
            max_examples=EXAMPLES,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(
            shape=st.lists(st.integers(0, 7), max_size=4).map(tuple),
            dtype=st.sampled_from(["?", "i2", "f4", "f8", "c16", "M8[s]", "S3", "U4", np.dtypes.StringDType()]),
            seed=st.integers(0, 2**32),
            data=st.data(),
        )
        def compare(shape, dtype, seed, data):
            rng = np.random.default_rng(seed)

            def made(shape):
                values = elements(rng, dtype, shape)
                is_text = values.dtype.kind == "T"
                return np.ma.MaskedArray(values, rng.random(shape) < 0.3) if masked and not is_text else values

            expected = made(shape)
            chunks = tuple(data.draw(st.integers(1, max(1, length + 2))) for length in shape)
            part.write("k", {"t": arraylog.array(expected, chunks=chunks if cut and shape else None)})
            editor = part.edit("k", "t")
            for _ in range(3):
                index = data.draw(indices(shape))
                try:
                    selected = expected[index]
                except (IndexError, ValueError, TypeError):
                    with pytest.raises((IndexError, ValueError, TypeError)):
                        editor[index] = expected.flat[0] if expected.size else 0
                    continue
                # Some of it broadcast.
                kept = data.draw(st.integers(0, np.ndim(selected)))
                lengths = [data.draw(st.sampled_from([1, length])) for length in np.shape(selected)[kept:]]
                value = made(tuple(lengths))
                try:
                    editor[index] = value
                except IndexError as error:
                    # What NumPy clips, takes for a mask without axes, or does not look at
                    # where nothing is selected.
                    assert re.search("not clipped|the bool", str(error)) or not np.size(selected)
                else:
                    expected[index] = value
                found = editor[...]
                assert type(found) is type(expected) and found.dtype == expected.dtype
                if masked and isinstance(expected, np.ma.MaskedArray):
                    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
                    there = ~np.ma.getmaskarray(expected)
                    np.testing.assert_array_equal(found.data[there], expected.data[there])
                else:
                    np.testing.assert_array_equal(found, expected)

        compare()


@pytest.fixture(params=[None, (4, 3)])
def editor(part, request):
    part.write("k", {"t": arraylog.array(GRID, chunks=request.param)})
    return part.edit("k", "t")


@pytest.mark.parametrize(
    ("index", "value"),
    [
        ([0, 9, 0], np.arange(21.0).reshape(3, 7)),
        ([3, 3, 3], [[1.0], [2.0], [3.0]]),
        (([1, 1, 8], [2, 2, 0]), [7.0, 8.0, 9.0]),
        (GRID > 30, -2.5),
        (GRID > 30, np.arange(np.count_nonzero(GRID > 30), dtype="f8")),
        ((GRID[:, 0] > 30, np.s_[::-2]), np.arange(4.0)),
        ((np.s_[::-3], [6, 0]), np.arange(8.0).reshape(4, 2)),
        ((np.s_[2:5], None, [1, -1]), np.arange(2.0)),
        ((None, -1), np.arange(7.0)[None]),
        ((..., None), 1.5),
        (([[0, 1], [2, 3]], 5), np.arange(4.0).reshape(2, 2)),
        ((5, [[0, 1], [2, 3]]), np.arange(2.0)),
        (([0, 1], None, [2, 3]), np.arange(2.0)[:, None]),
        ([], 3.0),
        (np.zeros(10, bool), 3.0),
        ([True, False] * 5, 4.0),
        (np.array([2], "u8"), 3.0),
        ((np.array(2), np.int8(-1)), 3.0),
    ],
)
def test_each_form_of_an_index(editor, index, value):
    expected = GRID.copy()
    expected[index] = value
    editor[index] = value
    np.testing.assert_array_equal(editor[...], expected)


def test_of_the_same_element_the_last_value_counts(part):
    data = np.zeros(1_000, "i8")
    part.write("k", {"t": arraylog.array(data, chunks=(64,)), "p": data})
    rng = np.random.default_rng(5)
    for name in "tp":
        expected = data.copy()
        for _ in range(5):
            places, values = rng.integers(0, 1_000, 3_000), rng.integers(1, 1 << 40, 3_000)
            expected[places] = values
            part.write_region("k", name, places, values)
            np.testing.assert_array_equal(part.array("k", name), expected)


def test_texts_and_masks_at_points(part):
    words = ["a", "bb", "", "é", "e" * 50]
    part.write("k", {"s": arraylog.array(words, chunks=(2,)), "p": words, "m": arraylog.array(np.ma.arange(6.0), chunks=(4,)), "b": [b"x", b"yy", b""]})
    for name in "sp":
        editor = part.edit("k", name)
        editor[[4, 0, 4]] = ["no", "zero", "four"]
        editor[np.array([False, True, True, False, False])] = "same"
        assert editor[:].tolist() == ["zero", "same", "same", "é", "four"]
        assert editor[[4, 1]].tolist() == ["four", "same"]
    part.edit("k", "b")[[2, 0]] = [b"\xff", b""]
    assert part.array("k", "b").tolist() == [b"", b"yy", b"\xff"]
    masked = part.edit("k", "m")
    masked[[0, 5]] = np.ma.MaskedArray([7.0, 8.0], [1, 0])
    masked[[2, 3]] = np.ma.masked
    assert masked[:].tolist() == [None, 1.0, None, None, 4.0, 8.0]
    masked[[True] + [False] * 4 + [True]] = 1.0
    assert masked[[0, 2, 5]].tolist() == [1.0, None, 1.0]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ([0, 10], "index 10 is out of bounds for axis 0 with size 10"),
        ([-11], "index -11 is out of bounds for axis 0 with size 10"),
        ((np.s_[:], [[7]]), "index 7 is out of bounds for axis 1 with size 7"),
        ((0, -8), "index -8 is out of bounds for axis 1 with size 7"),
        (10**30, f"index {10**30} is out of bounds for axis 0 with size 10"),
        (np.s_[5:11], "slice end 11 is out of bounds for axis 0 with size 10: a part that is written is not clipped"),
        (([0], np.s_[:8]), "slice end 8 is out of bounds for axis 1 with size 7: a part that is written is not clipped"),
        (([0, 1], [0, 1, 2]), r"shape mismatch: indexing arrays could not be broadcast together with shapes \(2,\) \(3,\)"),
        (np.ones(7, bool), "boolean index did not match indexed array along axis 0; size of axis is 10 but size of corresponding boolean axis is 7"),
        (np.ones((10, 10), bool), "along axis 1; size of axis is 7 but size of corresponding boolean axis is 10"),
        ((0, 0, 0), "too many indices for array: array is 2-dimensional, but 3 were indexed"),
        ((..., ...), "single ellipsis"),
        (1.0, "not by a float: 1.0"),
        ("t", "not by a str: 't'"),
        ([0.5], "not by a list of float64"),
        (np.ones(2, "f4"), "not by a ndarray of float32"),
        ([[1], [1, 2]], "not by a list of parts of different lengths"),
        (True, "not by the bool True, which has no axes"),
        (np.True_, "not by the bool True, which has no axes"),
        (np.array(True), "bool"),
    ],
)
def test_what_is_wrong_with_an_index_is_said(part, editor, index, words):
    before = part["k"].version
    with pytest.raises(IndexError, match=words) as caught:
        editor[index] = 1.0
    assert caught.value.__notes__ == ["array 't' has shape (10, 7)"]
    assert part["k"].version == before


def test_data_that_do_not_fit_their_points_are_refused(editor):
    for index, value in (([0, 1], np.ones(3)), ([0, 1], np.ones((3, 7))), (GRID > 30, np.ones(3)), ([], np.ones((2, 7)))):
        with pytest.raises(arraylog.ShapeError, match=r"data of shape .* cannot be broadcast to the part that is written, of shape"):
            editor[index] = value
    with pytest.raises(arraylog.DTypeError, match="array 't' has dtype float64, the data int64"):
        editor[[0, 1]] = np.ones(7, "i8")
    np.testing.assert_array_equal(editor[...], GRID)


def test_a_wrong_index_of_a_read_says_the_array_beside_the_words_of_numpy(part):
    large = np.zeros((300, 400))
    part.write("k", {"small": GRID, "large": large, "cut": arraylog.array(GRID, chunks=(4, 3))})
    for name, shape in (("small", (10, 7)), ("large", (300, 400)), ("cut", (10, 7))):
        for index in (1.5, "t", (0, 0, 0), 300, [0, -301], [0.5]):
            with pytest.raises(IndexError) as caught:
                part["k"][name][index]
            with pytest.raises(IndexError) as expected:
                np.zeros(shape)[index]
            assert str(caught.value) == str(expected.value)
            assert f"array {name!r} has shape {shape}" in "".join(traceback.format_exception(caught.value))


def test_points_from_many_threads_are_all_there(part):
    part.write("k", {"t": arraylog.array(np.zeros(800, "i8"), chunks=(50,))})

    def write(first):
        for turn in range(10):
            part.edit("k", "t")[np.arange(first, 800, 8)] = np.int64(turn * 8 + first)

    threads = [threading.Thread(target=write, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(part.array("k", "t"), 72 + np.arange(800) % 8)
