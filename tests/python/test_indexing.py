"""`x[index]` of a stored array against NumPy's: values, shapes, dtypes, masks, types and errors."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import arraylog
from arraylog._indexing import take

# Of each layout, with three indices each; the environment asks for more.
EXAMPLES = int(os.environ.get("ARRAYLOG_TEST_EXAMPLES") or 150)
DTYPES = ["?", "i1", "i4", "i8", "u2", "u8", "f2", "f4", "f8", "c16"]
DTYPES += ["M8[s]", "M8[D]", "m8[ns]", "S3", "U4", np.dtypes.StringDType()]
LAYOUTS = ["plain", "chunked", "coded", "chunked and coded"]


def elements(rng, dtype, shape):
    """Elements that differ, with NaN and NaT among them."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    numbers = rng.integers(0, 120, count)
    if dtype.kind == "T":
        return np.array([f"é{n}" * (n % 3) for n in numbers], dtype=dtype).reshape(shape)
    if dtype.kind in "SU":
        return numbers.astype(dtype).reshape(shape)
    if dtype.kind == "b":
        return (numbers % 2 == 1).reshape(shape)
    made = numbers.astype(dtype)
    if dtype.kind in "fcmM":
        made[numbers % 7 == 0] = "NaT" if dtype.kind in "mM" else np.nan
    return made.reshape(shape)


@st.composite
def arrays(draw):
    """An array, masked or not, and the shape of chunks for it."""
    shape = draw(st.lists(st.integers(0, 7), max_size=5).map(tuple))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    data = elements(rng, draw(st.sampled_from(DTYPES)), shape)
    if draw(st.booleans()) and data.dtype.kind != "T":
        data = np.ma.MaskedArray(data, rng.random(shape) < draw(st.sampled_from([0, 0.3, 1])))
    chunks = tuple(draw(st.integers(1, max(1, length + 2))) for length in shape)
    return data, chunks


def bound(length):
    return st.none() | st.integers(-length - 3, length + 3)


def slices(length):
    step = st.none() | st.integers(-4, 4).filter(bool)
    return st.builds(slice, bound(length), bound(length), step)


def places(length):
    """An int of an axis; outside of it now and then."""
    inside = st.integers(-length, length - 1) if length else st.just(0)
    return st.one_of(inside, inside, inside, inside, inside, st.integers(-length - 2, length + 2))


@st.composite
def indices(draw, shape):
    """What an axis after the other is indexed by; not always an index of `shape`."""
    items = []
    axis = 0
    wide = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    fancy = draw(st.booleans())
    while axis < len(shape) and draw(st.integers(0, 9)):
        length = shape[axis]
        kinds = ["int", "slice", "slice", "slice", "newaxis", "skip"] + ["ints", "list", "mask", "flag"] * fancy
        kind = draw(st.sampled_from(kinds))
        if kind == "newaxis":
            items.append(None)
            continue
        if kind == "flag":
            items.append(draw(st.sampled_from([True, False, np.True_])))
            continue
        if kind == "skip":
            if Ellipsis not in [item for item in items if not isinstance(item, np.ndarray)]:
                items.append(Ellipsis)
                axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "mask":
            axes = draw(st.integers(1, len(shape) - axis))
            items.append(draw(hnp.arrays(bool, shape[axis : axis + axes])))
            axis += axes
            continue
        if kind == "int":
            place = draw(places(length))
            items.append(draw(st.sampled_from([int, np.int8, np.int64]))(place))
        elif kind == "slice":
            items.append(draw(slices(length)))
        elif kind == "ints":
            items.append(draw(hnp.arrays("i8", wide, elements=places(length))))
        else:
            items.append(draw(st.lists(places(length), max_size=4)))
        axis += 1
    if draw(st.integers(0, 19)) == 0:
        items.append(draw(st.sampled_from([0, Ellipsis, "name", 1.5, [0.5], slice("a"), slice(0, 1, 0)])))
    if len(items) == 1 and draw(st.booleans()):
        return items[0]
    return tuple(items)


def outcome(array, index):
    """The result, or the error, in parts that compare."""
    try:
        found = array[index]
    except (IndexError, ValueError, TypeError) as error:
        return type(error), str(error)
    return found


def check(found, expected):
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, tuple):
        assert found == expected
        return
    if expected is np.ma.masked:
        return
    if not isinstance(expected, np.ndarray):
        assert found == expected or (found != found and expected != expected)
        return
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if isinstance(expected, np.ma.MaskedArray):
        there = ~np.ma.getmaskarray(expected)
        np.testing.assert_array_equal(np.ma.getmaskarray(found), ~there)
        np.testing.assert_array_equal(found.data[there], expected.data[there])
        return
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_index_means_what_it_does_in_numpy(tmp_path, layout):
    chunked, coded = "chunked" in layout, "coded" in layout
    with arraylog.open(tmp_path / "t.alog", "a") as store:
        part = store.partition()

        @settings(
            deadline=None,
            max_examples=EXAMPLES,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(array=arrays(), data=st.data())
        def compare(array, data):
            array, chunks = array
            options = {"chunks": chunks} if chunked and array.ndim else {}
            options |= {"codec": "zstd:3"} if coded else {}
            part.write("k", {"t": arraylog.array(array, **options)})
            entry = part["k"]
            whole = entry["t"].numpy()
            assert type(whole) is type(array)
            for _ in range(3):
                index = data.draw(indices(array.shape))
                expected = outcome(whole, index)
                check(outcome(entry["t"], index), expected)
                read = entry["t"]
                check(outcome(_Taken(read), index), expected)
                read.numpy()
                check(outcome(read, index), expected)
            check(entry["t"].numpy(), array)

        compare()


class _Taken:
    """Reads parts also of an array that is small enough to be read whole."""

    def __init__(self, array):
        self.array = array

    def __getitem__(self, index):
        return take(self.array, index)


@pytest.fixture
def large(part):
    """An array of many blocks of checksums, as it is and in chunks."""
    data = np.arange(600_000, dtype="f8").reshape(1000, 600)
    part.write("k", {"plain": data, "cut": arraylog.array(data, chunks=(100, 100))})
    return data, part["k"]["plain"], part["k"]["cut"]


@pytest.mark.parametrize(
    "index", [np.s_[3], np.s_[10:20], np.s_[5, 7:90], np.s_[::2, ::-3], np.s_[..., 4], np.s_[-1, None]]
)
def test_a_basic_index_of_a_plain_array_is_a_view_of_the_file(large, index):
    data, plain, _ = large
    whole = plain.numpy()
    found = plain[index]
    assert np.shares_memory(found, whole) and not found.flags.writeable
    assert found.base is not None and np.array_equal(found, data[index])


def test_row_after_row(large):
    data, plain, cut = large
    for array in (plain, cut):
        for _ in range(3):
            assert all(np.array_equal(array[row], data[row]) for row in range(-1000, 1000, 7))
    whole = plain.numpy()
    assert all(np.shares_memory(plain[row], whole) for row in range(0, 1000, 100))


def test_an_index_of_arrays_gives_a_copy_of_its_own(large):
    data, plain, cut = large
    rows = [999, 0, -5]
    for array in (plain, cut):
        found = array[rows, 7]
        assert found.flags.writeable and found.tolist() == data[rows, 7].tolist()


def test_only_the_chunks_that_an_index_touches_are_read(path, store, part, reopened):
    data = np.arange(40_000, dtype="i4")
    part.write("k", {"t": arraylog.array(data, chunks=(10_000,))})
    # The last commit is compared with its checksums when a store is opened.
    part.put("later", b"")
    store.close()
    raw = bytearray(path.read_bytes())
    raw[raw.index(data[30_000:30_100].tobytes())] ^= 1
    path.write_bytes(raw)
    array = reopened()["k"]["t"]
    assert array[:30_000].sum() == data[:30_000].sum()
    assert array[29_990:30_000].tolist() == list(range(29_990, 30_000))
    with pytest.raises(arraylog.CorruptionError):
        array[29_990:30_001]
    with pytest.raises(arraylog.CorruptionError):
        array.numpy()


@pytest.mark.parametrize("layout", [{}, {"chunks": (3,)}, {"codec": "zstd:3"}])
def test_scalars_and_arrays_without_axes(part, layout):
    part.write("k", {"t": arraylog.array(np.arange(5, dtype="i2"), **layout), "s": np.float32(2.5)})
    array = part["k"]["t"]
    assert type(array[2]) is np.int16 and array[2] == 2
    assert type(array[2, ...]) is np.ndarray and array[2, ...].shape == ()
    assert type(part["k"]["s"][()]) is np.float32 and part["k"]["s"][None].shape == (1,)
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 5"):
        array[5]
    with pytest.raises(IndexError, match="too many indices for array"):
        array[0, 0]
    with pytest.raises(IndexError, match="only integers"):
        array["name"]
    with pytest.raises(IndexError, match="boolean index did not match"):
        array[[True, False]]


def test_masked_elements(part):
    data = np.ma.MaskedArray(np.arange(6), [0, 1, 0, 0, 1, 1], fill_value=-9)
    part.write("k", {"t": arraylog.array(data, chunks=(4,)), "p": data})
    for name in ("t", "p"):
        array = part["k"][name]
        assert array[1] is np.ma.masked and array[3] == 3
        found = array[::-2]
        assert isinstance(found, np.ma.MaskedArray) and found.fill_value == -9
        assert found.tolist() == [None, 3, None]
        assert array[[1, 2]].tolist() == [None, 2]
