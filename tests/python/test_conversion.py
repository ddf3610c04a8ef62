"""What becomes an array, of which dtype, and what is refused by name."""

import numpy as np
import pytest

import arraylog

TEXT = np.dtypes.StringDType()


@pytest.mark.parametrize(
    "value, dtype",
    [
        (True, "?"),
        (3, "i8"),
        (-(2**63), "i8"),
        (2**63, "u8"),
        (2**64 - 1, "u8"),
        (1.5, "f8"),
        (1 + 2j, "c16"),
        (np.int8(3), "i1"),
        (np.float32(1.5), "f4"),
        (np.bool_(True), "?"),
        (np.complex64(1j), "c8"),
    ],
    ids=repr,
)
def test_scalars_have_a_dtype_of_their_own(part, value, dtype):
    part.write("k", {"t": value})
    array = part["k"]["t"]
    assert array.dtype == np.dtype(dtype) and array.shape == () and array.item() == value


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, [2**64], [2**63, -1]], ids=repr)
def test_integers_that_fit_no_dtype_are_value_errors(part, value):
    with pytest.raises(ValueError):
        part.write("k", {"t": value})
    assert "k" not in part


@pytest.mark.parametrize(
    "value, dtype",
    [
        ([True, False], "?"),
        ([1, 2], "i8"),
        ([2**63, 1], "u8"),
        ([1.5, 2.5], "f8"),
        ([1, 2.5], "f8"),
        ([1j, 2j], "c16"),
        ([[1, 2], [3, 4]], "i8"),
        ([[[1.0]]], "f8"),
        ([np.float32(1), np.float32(2)], "f4"),
        ([np.arange(2), np.arange(2)], "i8"),
    ],
    ids=repr,
)
def test_lists_of_one_kind_have_its_dtype(part, value, dtype):
    part.write("k", {"t": value})
    found = part.array("k", "t")
    assert found.dtype == np.dtype(dtype) and found.tolist() == np.array(value).tolist()


@pytest.mark.parametrize(
    "value, data",
    [
        ([1, None, 3], [1, None, 3]),
        ([1.5, None], [1.5, None]),
        ([True, None], [True, None]),
        ([[1, None], [None, 4]], [[1, None], [None, 4]]),
        ([None, "a"], [None, "a"]),
    ],
    ids=repr,
)
def test_none_in_a_list_is_masked(part, value, data):
    part.write("k", {"t": value})
    assert part["k"]["t"].masked and part.array("k", "t").tolist() == data


@pytest.mark.parametrize(
    "value",
    [
        [1, "a"],
        [True, 2],
        [True, 1.5],
        ["a", b"b"],
        [1.5, "a"],
        [[1], ["a"]],
        [np.datetime64("2024"), 1],
    ],
    ids=repr,
)
def test_mixed_lists_are_type_errors(part, value):
    with pytest.raises(TypeError, match="depth"):
        part.write("k", {"depth": value})
    assert "k" not in part


def test_integers_with_floats_must_be_exact(part):
    part.write("k", {"t": [2**53, 0.5]})
    assert part.array("k", "t").tolist() == [2.0**53, 0.5]
    with pytest.raises((TypeError, ValueError)):
        part.write("k", {"t": [2**53 + 1, 0.5]})
    assert part.array("k", "t").tolist() == [2.0**53, 0.5]


def test_an_empty_list_needs_a_dtype(part):
    with pytest.raises(ValueError, match="dtype"):
        part.write("k", {"t": []})
    part.write("k", {"t": arraylog.array([], dtype="f4")})
    assert part["k"]["t"].dtype == np.dtype("f4") and part["k"]["t"].shape == (0,)


@pytest.mark.parametrize("value", [[[1, 2], [3]], [1, [2]], [[1], 2]], ids=repr)
def test_ragged_lists_are_refused(part, value):
    with pytest.raises((ValueError, TypeError)):
        part.write("k", {"t": value})
    assert "k" not in part


def _nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def _in_itself(width):
    value = []
    value.extend([value] * width)
    return value


@pytest.mark.parametrize(
    "value", [_in_itself(1), _in_itself(2), _nested(65), _nested(100_000)], ids=["itself", "itself twice", "65", "100000"]
)
def test_lists_that_are_too_deep_or_contain_themselves_are_refused_by_name(part, value):
    with pytest.raises(ValueError, match="'deep'.*nested deeper than 64 levels, or a list that contains itself"):
        part.write("k", {"deep": value})
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        arraylog.array(value, dtype="i8")
    assert "k" not in part


def test_as_many_levels_as_an_array_may_have_axes_are_stored_and_one_more_is_refused_by_name(part):
    part.write("k", {"deep": _nested(32)})
    assert part.array("k", "deep").shape == (1,) * 32
    for levels in (33, 64):
        with pytest.raises(ValueError, match='"deep".*32'):
            part.write("k", {"deep": _nested(levels)})


def test_object_arrays_of_one_kind_are_text_or_bytes(part):
    part.write("k", {"s": np.array(["a", "b"], object), "b": np.array([b"a", b"b"], object)})
    assert part["k"]["s"].dtype == TEXT and part.array("k", "b").tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    "value, offender, position",
    [
        (np.array(["a", 3, "c"], object), "int", "1"),
        (np.array([{}, "a"], object), "dict", "0"),
        (np.array(["a", "b", b"c"], object), "bytes", "2"),
        (np.array([["a", "b"], ["c", [1]]], object), "list", "1"),
    ],
    ids=["int", "dict", "bytes", "list"],
)
def test_object_arrays_of_mixed_things_name_the_first_offender(part, value, offender, position):
    with pytest.raises(TypeError) as caught:
        part.write("k", {"notes": value})
    assert isinstance(caught.value, arraylog.DTypeError)
    for named in ("notes", offender, position):
        assert named in str(caught.value)
    assert "k" not in part


@pytest.mark.parametrize(
    "value, named",
    [
        (np.zeros(3, np.longdouble), "longdouble|float128"),
        (np.zeros(3, np.clongdouble), "clongdouble|complex256"),
        (np.zeros(3, [("n", "i4"), ("x", "f8")]), "structured|fields?"),
        (np.zeros(3, "V8"), "void|V8"),
    ],
    ids=["longdouble", "clongdouble", "structured", "void"],
)
def test_dtypes_that_cannot_be_stored_are_refused_by_name(part, value, named):
    if (
        value.dtype.isbuiltin
        and value.dtype.itemsize in (8, 16)
        and value.dtype.kind in "fc"
        and value.dtype.newbyteorder("<") in (np.dtype("<f8"), np.dtype("<c16"))
    ):
        pytest.skip("long double is double on this platform")
    with pytest.raises(TypeError, match=named) as caught:
        part.write("k", {"speed": value})
    assert isinstance(caught.value, arraylog.DTypeError)
    assert "speed" in str(caught.value)
    assert "k" not in part


def test_a_structured_array_names_its_fields(part):
    records = np.zeros(3, [("n", "i4"), ("x", "f8")])
    with pytest.raises(TypeError) as caught:
        part.write("k", {"t": records})
    assert "n" in str(caught.value) and "x" in str(caught.value)
    part.write("k", {name: records[name] for name in records.dtype.names})
    assert list(part["k"]) == ["n", "x"]


def test_a_tuple_is_dims_data_and_attrs(part):
    part.write("k", {"a": ("x", [1, 2]), "b": (["x"], [1, 2], {"units": "K"}), "c": (None, [1, 2])})
    entry = part["k"]
    assert entry["a"].dims == entry["b"].dims == ("x",) and entry["b"].attrs["units"] == "K"
    assert entry["c"].dims == (None,)


@pytest.mark.parametrize(
    "value",
    [
        (1.0, 2.0, 3.0),
        (1.0, 2.0),
        ("a",),
        (),
        ("x", [1.0], {}, None),
        ([1.0, 2.0], "x"),
        (np.zeros(2), ["x"]),
    ],
    ids=repr,
)
def test_a_tuple_is_never_data(part, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        part.write("k", {"tup": value})
    assert "tup" in str(caught.value)
    assert "k" not in part


def test_a_tuple_of_two_names_is_not_two_strings(part):
    with pytest.raises((TypeError, ValueError)):
        part.write("k", {"t": ("a", "b")})
    part.write("k", {"t": ("x", ["a", "b"])})
    assert part.array("k", "t").tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "value",
    [
        {"data": [1.0]},
        None,
        object(),
        {1, 2},
        (each for each in "ab"),
        len,
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_objects_are_no_arrays(part, value):
    with pytest.raises(TypeError, match="depth"):
        part.write("k", {"depth": value})
    assert "k" not in part


def test_arrays_must_be_a_mapping(part):
    for arrays in ([("t", 1.0)], np.zeros(3), None, "t", 3, b"bytes"):
        with pytest.raises(TypeError):
            part.write("k", arrays)
    part.write("k", {})
    assert len(part["k"]) == 0


def test_a_write_that_fails_leaves_the_entry_as_it_was(part):
    part.write("k", {"t": 1.0})
    with pytest.raises(TypeError):
        part.write("k", {"t": 2.0, "u": None})
    assert list(part["k"]) == ["t"] and part.array("k", "t") == 1.0


class TestArraySpec:
    """`arraylog.array`: one array and its options in one place."""

    def test_dtype_converts(self, part):
        part.write(
            "k",
            {
                "a": arraylog.array([1, 2], dtype="i2"),
                "b": arraylog.array([1, None], dtype="f4"),
                "c": arraylog.array(["a"], dtype="U3"),
                "d": arraylog.array(5, dtype=np.uint8),
            },
        )
        entry = part["k"]
        assert [entry[name].dtype for name in "abcd"] == [
            np.dtype(code) for code in ("i2", "f4", "U3", "u1")
        ]
        assert entry["b"].mask.tolist() == [False, True]

    @pytest.mark.parametrize(
        "data, dtype", [([300], "u1"), ([-1], "u8"), ([1.5], "i4"), (["a"], "f8")], ids=repr
    )
    def test_dtype_never_changes_a_value_in_silence(self, part, data, dtype):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            part.write("k", {"t": arraylog.array(data, dtype=dtype)})
        assert "k" not in part

    def test_dims_and_attrs(self, part):
        part.write(
            "k",
            {
                "t": arraylog.array([[1.0]], ["x", None], attrs={"units": "K"}),
                "u": arraylog.array([1.0], dims="depth"),
            },
        )
        assert part["k"]["t"].dims == ("x", None) and part["k"]["u"].dims == ("depth",)
        assert part["k"]["t"].attrs["units"] == "K"

    def test_masked_arrays_and_arrays_of_a_store_are_data(self, part):
        part.write("k", {"t": arraylog.array(np.ma.array([1, 2], mask=[1, 0]), "x")})
        part.write("l", {"t": part["k"]["t"], "u": arraylog.array(part["k"]["t"], dtype="f4")})
        assert part.array("l", "t").tolist() == part.array("l", "u").tolist() == [None, 2]
        assert part["l"]["u"].dtype == np.dtype("f4")

    def test_unknown_options_are_type_errors(self):
        with pytest.raises(TypeError, match="unit"):
            arraylog.array([1.0], unit="K")

    def test_a_dtype_that_is_none_is_a_type_error(self, part):
        with pytest.raises(TypeError):
            part.write("k", {"t": arraylog.array([1.0], dtype="no such dtype")})

    def test_it_may_be_assigned_and_written_twice(self, part):
        spec = arraylog.array([1.0, 2.0], "x")
        part.write("k", {"a": spec, "b": spec})
        part.write("l", {"a": spec})
        assert part.array("k", "a").tolist() == part.array("l", "a").tolist() == [1.0, 2.0]

    def test_its_repr_is_one_line(self):
        assert "\n" not in repr(arraylog.array(np.zeros((100, 100)), ["y", "x"]))


class TestOtherLibraries:
    """Objects with `.dims` and `.to_numpy()`, and the libraries that have them."""

    def test_an_object_with_dims_and_to_numpy_is_an_array_with_dims(self, part):
        class Labelled:
            dims = ("y", "x")
            attrs = {"units": "K"}

            def to_numpy(self):
                return np.arange(6.0).reshape(2, 3)

        part.write("k", {"t": Labelled()})
        assert part["k"]["t"].dims == ("y", "x") and part.array("k", "t").shape == (2, 3)

    def test_an_object_with_an_array_interface_is_an_array(self, part):
        class Wrapped:
            def __array__(self, dtype=None, copy=None):
                return np.arange(3, dtype="i2")

        part.write("k", {"t": Wrapped()})
        assert part["k"]["t"].dtype == np.dtype("i2")

    def test_a_memoryview_of_numbers_is_an_array(self, part):
        part.write("k", {"t": memoryview(np.arange(3, dtype="f4"))})
        assert part["k"]["t"].dtype == np.dtype("f4") and part.array("k", "t").tolist() == [
            0.0,
            1.0,
            2.0,
        ]

    def test_a_pandas_series(self, part):
        pandas = pytest.importorskip("pandas")
        part.write("k", {"n": pandas.Series([1.5, 2.5]), "s": pandas.Series(["a", None])})
        assert part.array("k", "n").tolist() == [1.5, 2.5]
        assert part["k"]["s"].mask.tolist() == [False, True]

    def test_an_xarray_dataarray(self, part):
        xarray = pytest.importorskip("xarray")
        part.write(
            "k", {"t": xarray.DataArray(np.zeros((2, 3)), dims=("y", "x"), attrs={"units": "K"})}
        )
        assert part["k"]["t"].dims == ("y", "x") and part["k"]["t"].attrs["units"] == "K"

    def test_an_xarray_dataset_is_refused_and_its_variables_are_taken(self, part):
        xarray = pytest.importorskip("xarray")
        dataset = xarray.Dataset({"t": ("x", [1.0, 2.0])}, coords={"x": [10, 20]}, attrs={"title": "a"})
        _dataset_is_refused_and_its_variables_are_taken(part, dataset)

    def test_what_looks_like_a_dataset_is_refused_and_its_variables_are_taken(self, part):
        class Variable:
            def __init__(self, values):
                self.dims, self.values, self.attrs = ("x",), np.array(values), {}

        class Dataset(dict):
            coords = {"x": Variable([10, 20])}
            attrs = {"title": "a"}

            @property
            def data_vars(self):
                return dict(self)

            @property
            def variables(self):
                return {**self, **self.coords}

        _dataset_is_refused_and_its_variables_are_taken(part, Dataset(t=Variable([1.0, 2.0])))


def _dataset_is_refused_and_its_variables_are_taken(part, ds):
    for write in (lambda: part.write("k", ds), lambda: part.__setitem__("k", ds)):
        with pytest.raises(TypeError, match=r"a Dataset leaves out its coordinates; .*ds\.variables\.items\(\)"):
            write()
    assert "k" not in part
    part.write("k", {name: var for name, var in ds.variables.items()}, attrs=ds.attrs)
    entry = part["k"]
    assert entry["t"].numpy().tolist() == [1.0, 2.0] and entry["x"].numpy().tolist() == [10, 20]
    assert entry["x"].dims == entry["t"].dims == ("x",) and dict(entry.attrs) == {"title": "a"}
