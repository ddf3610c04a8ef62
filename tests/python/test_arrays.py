"""Arrays of fixed-width dtypes: each dtype, each shape, each memory layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import arraylog
from samples import DTYPES, NUMBERS, SHAPES, same, sample


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back_in_every_shape(part, states, dtype):
    expected = {str(shape): sample(dtype, shape) for shape in SHAPES}
    for key, value in expected.items():
        part.write(key, {"t": value})
    part.write("all", expected)
    for now in states():
        for key, value in expected.items():
            for found in (
                now.array(key, "t"),
                np.asarray(now[key]["t"]),
                now[key]["t"].numpy(),
                now.array("all", key),
            ):
                assert type(found) is np.ndarray
                assert same(found, value), (key, found, value)
                assert (
                    found.flags.c_contiguous and found.flags.aligned and not found.flags.writeable
                )
            assert now[key]["t"].dtype == value.dtype and now[key]["t"].shape == value.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_owned_copy_is_writable(part, dtype):
    value = sample(dtype, (3, 2))
    part.write("k", {"t": value})
    for copy in (
        part.array("k", "t", copy=True),
        part["k"]["t"].numpy(copy=True),
        part["k"].to_dict(copy=True)["t"],
    ):
        assert same(copy, value) and copy.flags.owndata and copy.flags.writeable
        copy[...] = copy[0, 0]
    assert same(part.array("k", "t"), value)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_a_0d_array_is_an_array_from_array_and_a_scalar_by_index(part, dtype):
    value = sample(dtype, (1,))[0]
    part.write("k", {"t": value, "a": np.array(value)})
    for name in ("t", "a"):
        assert isinstance(part.array("k", name), np.ndarray)
        assert part.array("k", name).shape == ()
        assert isinstance(part["k"][name].numpy(), np.ndarray)
        assert isinstance(part["k"][name][()], np.generic)
        assert part["k"][name][()].dtype == value.dtype


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A partition for properties; every example writes the same key."""
    with arraylog.open(tmp_path_factory.mktemp("property") / "t.alog", "a") as store:
        yield store.partition()


@settings(deadline=None, max_examples=60)
@given(
    value=hnp.arrays(
        dtype=st.sampled_from(NUMBERS),
        shape=hnp.array_shapes(min_dims=0, max_dims=8, min_side=0, max_side=3),
    )
)
def test_any_array_up_to_rank_8_round_trips(shared, value):
    shared.write("k", {"t": value})
    assert same(shared.array("k", "t"), value)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    value=hnp.arrays(
        dtype=st.sampled_from(["i2", "f8", "M8[s]", "S3"]),
        shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6),
    ),
)
def test_any_strided_view_round_trips(shared, data, value):
    view = value[data.draw(hnp.basic_indices(value.shape, allow_ellipsis=True))]
    shared.write("k", {"t": np.asarray(view)})
    assert same(shared.array("k", "t"), np.asarray(view))


def test_rank_32_round_trips(part, reopened):
    shape = (1, 2) * 3 + (1,) * 26
    value = np.arange(8, dtype="i4").reshape(shape)
    part.write("k", {"t": value})
    found = reopened().array("k", "t")
    assert found.ndim == 32 and same(found, value)


@pytest.mark.parametrize("dtype", ["i4", "f8", "c16", "M8[s]", "U3", "S3", "?"])
@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda value: value[::-1],
        lambda value: value[:, ::-2],
        lambda value: value.T,
        lambda value: value[1:3, 1:3],
        lambda value: np.broadcast_to(value[0], (3, *value[0].shape)),
        lambda value: value.astype(value.dtype.newbyteorder(">")),
        lambda value: value.astype(value.dtype.newbyteorder(">")).T[::-1],
    ],
    ids=[
        "fortran",
        "negative",
        "negative step",
        "transposed",
        "window",
        "broadcast",
        "big-endian",
        "big and negative",
    ],
)
def test_every_memory_layout_comes_back_in_c_order_and_little_endian(part, dtype, layout):
    value = layout(sample(dtype, (4, 5)))
    part.write("k", {"t": value})
    found = part.array("k", "t")
    assert same(found, value) and found.flags.c_contiguous
    assert found.dtype == value.dtype.newbyteorder("<")


def test_an_unaligned_array_is_accepted(part):
    value = np.frombuffer(b"x" + np.arange(5.0).tobytes(), "f8", offset=1)
    assert not value.flags.aligned
    part.write("k", {"t": value})
    assert part.array("k", "t").tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_field_of_a_structured_array_is_accepted(part):
    records = np.array([(1, 2.5), (3, 4.5)], dtype=[("n", "i4"), ("x", "f8")])
    part.write("k", {"x": records["x"]})
    assert part.array("k", "x").tolist() == [2.5, 4.5]


def test_bits_of_nan_and_of_minus_zero_are_kept(part):
    value = np.array([0x7FF8000000000001, 0xFFF0000000000002, 1 << 63], "u8").view("f8")
    part.write("k", {"t": value})
    assert part.array("k", "t").view("u8").tolist() == value.view("u8").tolist()


def test_dims_are_kept(part, reopened):
    value = np.zeros((2, 3, 4))
    part.write(
        "k",
        {
            "all": (["time", "lat", "lon"], value),
            "some": ((None, "lat", None), value),
            "none": value,
            "one": ("depth", [1.0]),
            "zero": ((), 1.0),
            "tuple": (("time", "lat", "lon"), value),
        },
    )
    entry = reopened()["k"]
    assert entry["all"].dims == entry["tuple"].dims == ("time", "lat", "lon")
    assert entry["some"].dims == (None, "lat", None)
    assert entry["none"].dims == (None, None, None)
    assert entry["one"].dims == ("depth",)
    assert entry["zero"].dims == ()


@pytest.mark.parametrize("dims", [["x"], ["x", "y", "z"], "x", []], ids=repr)
def test_dims_of_another_rank_are_a_shape_error_with_both_numbers(part, dims):
    with pytest.raises(ValueError) as caught:
        part.write("k", {"temp": (dims, np.zeros((2, 3)))})
    assert isinstance(caught.value, arraylog.ShapeError)
    assert "temp" in str(caught.value) and "2" in str(caught.value)
    part.write("k", {"temp": (["x", "y"], np.zeros((2, 3)))})
    assert part["k"]["temp"].dims == ("x", "y")


def test_one_dim_with_two_sizes_in_an_entry_is_a_shape_error_that_names_it(part):
    with pytest.raises(ValueError) as caught:
        part.write("k", {"a": ("depth", np.zeros(3)), "b": ("depth", np.zeros(4))})
    assert isinstance(caught.value, arraylog.ShapeError)
    for part_of_message in ("depth", "3", "4"):
        assert part_of_message in str(caught.value)
    assert "k" not in part
    part.write("k", {"a": ("depth", np.zeros(3)), "b": ("depth", np.zeros(3))})
    part.write("l", {"a": ("depth", np.zeros(4))})


def test_arrays_stay_in_the_order_written(part, reopened):
    names = ["z", "a", "m", "B", "0"]
    part.write("k", {name: np.zeros(number) for number, name in enumerate(names)})
    assert list(reopened()["k"]) == names


def test_an_entry_of_600_arrays_round_trips(part, reopened):
    expected = {
        f"field_{number}": sample(DTYPES[number % len(DTYPES)], SHAPES[number % 5])
        for number in range(600)
    }
    part.write("k", expected)
    found = reopened()["k"].to_dict()
    assert list(found) == list(expected)
    assert all(same(found[name], expected[name]) for name in expected)


def test_entries_of_one_partition_may_differ_in_everything(part, reopened):
    part.write("1", {"t": ("x", np.arange(3, dtype="i2"))})
    part.write("2", {"t": (("x", "y"), np.zeros((2, 2), "f4"))})
    part.write("3", {"u": "text"})
    again = reopened()
    assert [again[key][name].dtype.kind for key, name in (("1", "t"), ("2", "t"))] == ["i", "f"]
    assert again["2"]["t"].shape == (2, 2) and again["3"]["u"].item() == "text"


def test_the_source_may_be_overwritten_as_soon_as_write_returns(part):
    small, large = np.zeros(10), np.zeros(300_000)
    for number in range(3):
        small[...] = large[...] = number
        part.write(str(number), {"small": small, "large": large})
    small[...] = large[...] = -1
    for number in range(3):
        assert (part.array(str(number), "small") == number).all()
        assert (part.array(str(number), "large") == number).all()


def test_the_source_may_be_overwritten_inside_a_batch(store, part):
    small, large = np.zeros(10), np.zeros(300_000)
    masked = np.ma.zeros(50)
    with store.batch() as batch:
        inner = batch.partition("argo", "2024-01")
        for number in range(3):
            small[...] = large[...] = number
            masked[...] = number
            masked.mask = np.ma.nomask
            masked[number] = np.ma.masked
            inner.write(str(number), {"small": small, "large": large, "masked": masked})
        small[...] = large[...] = -1
        masked[...] = -1
    for number in range(3):
        assert (part.array(str(number), "small") == number).all()
        assert (part.array(str(number), "large") == number).all()
        assert part.array(str(number), "masked").mask.nonzero()[0].tolist() == [number]
        assert part.array(str(number), "masked").sum() == 49 * number


def test_extend_copies_each_array_before_it_asks_for_the_next(part):
    buffer = np.zeros(1000)

    def source():
        for number in range(5):
            buffer[...] = number
            yield str(number), {"t": buffer}

    part.extend(source())
    assert [part.array(str(number), "t")[0] for number in range(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("codes, dtype", [("<f8", ">f8"), ("<M8[s]", ">M8[s]"), ("<U3", ">U3")])
def test_dtype_of_a_big_endian_array_is_the_little_endian_one(part, codes, dtype):
    part.write("k", {"t": np.zeros(3, dtype)})
    assert part["k"]["t"].dtype == np.dtype(codes)


def test_an_array_of_64_mib_round_trips(part, reopened):
    value = np.arange(8 << 20, dtype="u8")
    part.write("k", {"t": value})
    assert np.array_equal(reopened().array("k", "t"), value)
