"""Masks: NumPy's masked arrays in, the same out."""

import numpy as np
import pytest

import arraylog
from samples import FIXED, NUMBERS, SHAPES, same, sample


@pytest.mark.parametrize("dtype", [*NUMBERS, "M8[s]", "m8[D]", *FIXED])
def test_masked_arrays_of_every_dtype_and_shape_round_trip(part, states, dtype):
    rng = np.random.default_rng(3)
    expected = {}
    for shape in SHAPES:
        value = sample(dtype, shape)
        expected[str(shape)] = np.ma.array(value, mask=rng.random(shape) < 0.4)
    for key, value in expected.items():
        part.write(key, {"t": value})
    for now in states():
        for key, value in expected.items():
            for found in (now.array(key, "t"), now[key]["t"].numpy()):
                assert isinstance(found, np.ma.MaskedArray)
                assert found.mask.shape == value.shape and np.array_equal(found.mask, value.mask)
                assert found.dtype == value.dtype
                assert same(found.data, value.data)
            assert now[key]["t"].masked


def test_a_masked_array_without_missing_elements_stays_masked(part, reopened):
    part.write(
        "k",
        {
            "none": np.ma.array([1, 2]),
            "false": np.ma.array([1, 2], mask=[0, 0]),
            "plain": np.array([1, 2]),
        },
    )
    entry = reopened()["k"]
    for name in ("none", "false"):
        assert entry[name].masked and isinstance(entry[name].numpy(), np.ma.MaskedArray)
        assert entry[name].mask.tolist() == [False, False]
    assert not entry["plain"].masked and type(entry["plain"].numpy()) is np.ndarray
    assert entry["plain"].mask is None


def test_bytes_under_the_mask_are_kept_as_given(part):
    part.write("k", {"t": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])})
    assert part["k"]["t"].data.tolist() == [1.0, 2.0, 3.0]
    assert part.array("k", "t").data.tolist() == [1.0, 2.0, 3.0]


def test_data_is_never_masked_and_mask_is_numpys_sense(part):
    part.write("k", {"t": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])})
    array = part["k"]["t"]
    assert type(array.data) is np.ndarray
    assert array.mask.dtype == bool and array.mask.tolist() == [False, True, False]


def test_asarray_of_missing_elements_is_a_value_error_with_three_ways_out(part):
    part.write("k", {"t": np.ma.array(np.arange(10.0), mask=np.arange(10) < 3)})
    array = part["k"]["t"]
    for misuse in (
        lambda: np.asarray(array),
        lambda: np.array(array),
        lambda: np.asarray(array, dtype="f4"),
        lambda: np.sum(array),
        lambda: np.concatenate([array, array]),
    ):
        with pytest.raises(ValueError) as caught:
            misuse()
        for named in ("3", "[()]", ".data", "filled"):
            assert named in str(caught.value)
    assert array[()].sum() == array.filled(0).sum() == 42.0


def test_the_buffer_of_a_masked_array_is_a_buffer_error(part):
    part.write("k", {"m": np.ma.array([1.0, 2.0], mask=[1, 0]), "p": np.array([1.0, 2.0])})
    with pytest.raises(BufferError):
        memoryview(part["k"]["m"])
    with pytest.raises((BufferError, ValueError)):
        np.frombuffer(part["k"]["m"])
    assert memoryview(part["k"]["p"]).tolist() == [1.0, 2.0]


def test_a_masked_array_is_read_only_and_its_copy_is_not(part):
    part.write("k", {"t": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])})
    view = part.array("k", "t")
    with pytest.raises(ValueError):
        view[0] = 5.0
    assert not view.data.flags.writeable and not part["k"]["t"].data.flags.writeable
    copy = part.array("k", "t", copy=True)
    copy[0] = 5.0
    copy[1] = 6.0
    assert copy.tolist() == [5.0, 6.0, 3.0]
    assert part.array("k", "t").tolist() == [1.0, None, 3.0]


def test_indexing_a_masked_array_gives_what_numpy_gives(part):
    value = np.ma.array(np.arange(12).reshape(3, 4), mask=np.arange(12).reshape(3, 4) % 5 == 0)
    part.write("k", {"t": value})
    array = part["k"]["t"]
    for index in (
        np.s_[1:],
        np.s_[::-1, 2],
        np.s_[...],
        np.s_[[0, 2]],
        np.s_[1, 1:3],
        np.s_[value.data > 3],
    ):
        found, expected = array[index], value[index]
        assert isinstance(found, np.ma.MaskedArray)
        assert found.tolist() == expected.tolist()
    assert array[0, 0] is np.ma.masked
    assert array[0, 1] == 1 and type(array[0, 1]) is type(value[0, 1])


def test_a_0d_masked_array_is_masked(part):
    part.write("k", {"m": np.ma.array(5, mask=True), "p": np.ma.array(5, mask=False)})
    assert part["k"]["m"].masked and part["k"]["p"].masked
    assert part.array("k", "m").shape == () and part.array("k", "m").mask
    assert part["k"]["m"][()] is np.ma.masked
    assert part["k"]["p"][()] == 5


def test_filled_replaces_what_is_missing(part):
    part.write("k", {"t": np.ma.array([1.0, 2.0], mask=[0, 1]), "p": np.array([1.0, 2.0])})
    assert part["k"]["t"].filled(-1.0).tolist() == [1.0, -1.0]
    assert type(part["k"]["t"].filled(-1.0)) is np.ndarray
    assert part["k"]["p"].filled(-1.0).tolist() == [1.0, 2.0]
    assert part["k"]["t"].mask.tolist() == [False, True]


def test_a_fill_value_set_by_the_user_is_kept(part, reopened):
    part.write(
        "k",
        {
            "t": np.ma.array([1.0, 2.0], mask=[0, 1], fill_value=-99.0),
            "i": np.ma.array([1, 2], mask=[0, 1], fill_value=7),
        },
    )
    entry = reopened()["k"]
    assert entry["t"].fill_value == -99.0 and entry["i"].fill_value == 7
    assert entry["t"].filled().tolist() == [1.0, -99.0]
    assert entry["t"].numpy().fill_value == -99.0


def test_numpys_own_fill_value_is_not_stored(part):
    value = np.ma.array([1.0, 2.0], mask=[0, 1])
    part.write("k", {"before": value})
    assert value.fill_value == 1e20
    part.write("k", {"t": value})
    assert part["k"]["t"].fill_value is None
    assert part.array("k", "t").fill_value == 1e20


def test_fill_value_of_array_is_kept_and_makes_no_mask(part, reopened):
    part.write("k", {"t": arraylog.array([1.0, 2.0], fill_value=-1.0)})
    entry = reopened()["k"]
    assert entry["t"].fill_value == -1.0 and not entry["t"].masked


def test_mask_of_array_states_what_is_missing(part):
    part.write(
        "k",
        {
            "t": arraylog.array([1, 2, 3], mask=[False, True, False]),
            "n": arraylog.array([1, 2, 3], mask=[False, False, False]),
        },
    )
    assert part.array("k", "t").tolist() == [1, None, 3]
    assert part["k"]["n"].masked


def test_mask_of_another_shape_is_a_value_error(part):
    with pytest.raises(ValueError):
        part.write("k", {"t": arraylog.array([1, 2, 3], mask=[True, False])})
    assert "k" not in part


def test_a_mask_in_any_memory_layout_is_accepted(part):
    data, mask = np.arange(20).reshape(4, 5), np.arange(20).reshape(4, 5) % 3 == 0
    part.write(
        "k",
        {
            "f": np.ma.array(np.asfortranarray(data), mask=np.asfortranarray(mask)),
            "r": np.ma.array(data, mask=mask)[::-1, ::2],
            "b": np.ma.array(data.astype(">i8"), mask=mask),
        },
    )
    assert np.array_equal(part.array("k", "f").mask, mask)
    assert np.array_equal(part.array("k", "r").mask, mask[::-1, ::2])
    assert np.array_equal(part.array("k", "r").data, data[::-1, ::2])
    assert np.array_equal(part.array("k", "b").mask, mask)


@pytest.mark.parametrize("unit", ["s", "D"])
def test_a_masked_time_is_not_nat(part, unit):
    value = np.ma.array(
        np.array(["2024-01-01", "NaT", "2024-01-03"], f"M8[{unit}]"), mask=[1, 0, 0]
    )
    part.write("k", {"t": value})
    found = part.array("k", "t")
    assert found.mask.tolist() == [True, False, False]
    assert np.isnat(found.data).tolist() == [False, True, False]
