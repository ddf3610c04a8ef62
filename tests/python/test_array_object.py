"""The `Array` object: properties, indexing, NumPy's protocols."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import arraylog

VALUE = np.arange(60, dtype="i4").reshape(3, 4, 5)


@pytest.fixture
def array(part):
    """A 3 x 4 x 5 array with two named dims and an attribute."""
    part.write("k", {"t": (("z", "y", None), VALUE, {"units": "K"})})
    return part["k"]["t"]


@pytest.fixture
def scalar(part):
    """A 0-d array of 2.5."""
    part.write("s", {"t": 2.5})
    return part["s"]["t"]


def test_properties_describe_the_array(array):
    assert array.name == "t" and array.dtype == np.dtype("i4")
    assert array.shape == (3, 4, 5) and type(array.shape) is tuple
    assert array.ndim == 3 and array.size == 60 and array.dims == ("z", "y", None)
    assert array.nbytes == 240 and array.nbytes_stored >= 240
    assert array.chunks is None and array.codec is None and array.fill_value is None
    assert array.masked is False and array.mask is None
    assert dict(array.attrs) == {"units": "K"}


def test_properties_cannot_be_set(array):
    for name in ("name", "dtype", "shape", "dims"):
        with pytest.raises(AttributeError):
            setattr(array, name, None)


INDICES = [
    0,
    -1,
    np.s_[1:],
    np.s_[::-1],
    np.s_[:, 1],
    np.s_[..., 0],
    np.s_[...],
    (),
    np.s_[None, 0],
    np.s_[0, 1, 2],
    np.s_[:, [0, 2]],
    np.s_[[0, 2], [1, 1]],
    np.s_[VALUE % 7 == 0],
    np.s_[[True, False, True]],
    np.s_[1:1],
    np.s_[5:9],
    np.s_[np.array([2, 0])],
    np.s_[[]],
    np.s_[0, :, ::2],
    np.int64(1),
    np.s_[:, np.array([[0, 1], [2, 3]])],
]


@pytest.mark.parametrize("index", INDICES, ids=lambda index: repr(index)[:40])
def test_indexing_has_numpys_meaning_and_types(array, index):
    found, expected = array[index], VALUE[index]
    assert type(found) is type(expected)
    assert np.shape(found) == np.shape(expected) and found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_basic_index_has_numpys_meaning(data):
    index = data.draw(hnp.basic_indices(VALUE.shape, allow_newaxis=True))
    with arraylog.open(":memory:", "a") as store:
        store.partition().write("k", {"t": VALUE})
        assert np.array_equal(store.partition()["k"]["t"][index], VALUE[index])


@pytest.mark.parametrize(
    "index",
    [3, -4, np.s_[0, 4], np.s_[0, 0, 0, 0], np.s_[[3]], "t", 1.0, np.s_[[True, False]]],
    ids=repr,
)
def test_an_index_outside_is_an_index_error(array, index):
    with pytest.raises(IndexError):
        VALUE[index]
    with pytest.raises(IndexError):
        array[index]
    assert array[2, 3, 4] == 59


def test_assignment_is_a_type_error_that_names_edit(array):
    with pytest.raises(TypeError, match="edit"):
        array[0] = 1
    assert array[0, 0, 0] == 0


def test_a_scalar_is_read_by_empty_index_item_and_float(scalar):
    assert scalar[()] == 2.5 and isinstance(scalar[()], np.float64)
    assert scalar.item() == 2.5 and type(scalar.item()) is float
    assert float(scalar) == 2.5 and int(scalar) == 2
    assert scalar.shape == () and scalar.dims == ()


def test_len_is_the_first_axis_and_a_scalar_has_none(array, scalar):
    assert len(array) == 3
    with pytest.raises(TypeError):
        len(scalar)


def test_item_and_float_need_one_element(array, part):
    for convert in (lambda: array.item(), lambda: float(array), lambda: int(array)):
        with pytest.raises((ValueError, TypeError)):
            convert()
    part.write("one", {"t": [[7]]})
    assert part["one"]["t"].item() == 7


def test_comparison_is_elementwise(array):
    assert np.array_equal(array == 5, VALUE == 5) and np.array_equal(array != 5, VALUE != 5)
    assert np.array_equal(array == VALUE, np.ones_like(VALUE, bool))
    assert np.array_equal(array == array, np.ones_like(VALUE, bool))
    assert (array == 5).dtype == bool


def test_truth_of_many_elements_is_ambiguous(array, scalar, part):
    with pytest.raises(ValueError, match="ambiguous"):
        bool(array)
    assert scalar
    part.write("zero", {"t": 0})
    assert not part["zero"]["t"]


def test_an_array_is_unhashable(array):
    with pytest.raises(TypeError, match="unhashable"):
        hash(array)


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.matmul]
)
def test_there_is_no_arithmetic(array, operation):
    with pytest.raises(TypeError):
        operation(array, 1)
    assert np.array_equal(np.asarray(array) + 1, VALUE + 1)


def test_iteration_goes_along_the_first_axis(array, scalar):
    assert [row.tolist() for row in array] == VALUE.tolist()
    with pytest.raises(TypeError):
        iter(scalar)


def test_numpy_functions_take_it(array):
    assert np.sum(array) == VALUE.sum() and np.mean(array) == VALUE.mean()
    assert np.concatenate([array, array]).shape == (6, 4, 5)
    assert np.array_equal(np.stack([array, array])[1], VALUE)


def test_asarray_converts_the_dtype_and_minds_copy(array):
    assert np.asarray(array, dtype="f8").dtype == np.dtype("f8")
    assert np.array_equal(np.asarray(array, dtype="f8"), VALUE)
    assert not np.asarray(array, copy=False).flags.owndata
    assert np.array(array, copy=True).flags.owndata and np.array(array).flags.writeable
    with pytest.raises(ValueError):
        np.asarray(array, dtype="f8", copy=False)


def test_numpy_gives_a_view_or_an_owned_copy(array):
    assert not array.numpy().flags.writeable and not array.numpy().flags.owndata
    assert array.numpy(copy=True).flags.writeable and array.numpy(copy=True).flags.owndata


CODES = {
    "?": "?",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "lq",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "LQ",
    "f2": "e",
    "f4": "f",
    "f8": "d",
    "c8": ["Zf"],
    "c16": ["Zd"],
}


@pytest.mark.parametrize("dtype", CODES)
def test_the_buffer_has_pythons_format_and_shape(part, dtype):
    value = np.ones((2, 3), dtype)
    part.write("k", {"t": value})
    view = memoryview(part["k"]["t"])
    assert view.format in CODES[dtype] and view.shape == (2, 3) and view.strides == value.strides
    assert view.readonly and view.c_contiguous and view.itemsize == value.itemsize
    if dtype not in (
        "c8",
        "c16",
        "f2",
    ):  # memoryview itself reads no complex numbers, and float16 from 3.12 on
        assert view.tolist() == value.tolist()


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,)], ids=str)
def test_the_buffer_of_scalars_and_of_nothing(part, shape):
    part.write("k", {"t": np.ones(shape)})
    view = memoryview(part["k"]["t"])
    assert view.shape == shape and view.nbytes == np.ones(shape).nbytes


def test_a_writable_buffer_is_a_buffer_error(array, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(bytes(240))
    with source.open("rb", buffering=0) as file, pytest.raises((BufferError, TypeError)):
        file.readinto(array)
    assert array[0, 0, 1] == 1


def test_a_buffer_of_elements_of_the_wrong_kind_is_not_given(part):
    part.write("k", {"t": np.zeros(2, "M8[s]"), "m": np.ma.zeros(2)})
    for name in "tm":
        with pytest.raises(BufferError):
            memoryview(part["k"][name])


def test_repr_is_one_line_that_names_dtype_and_shape(array, part):
    for text in (repr(array),):
        assert "t" in text and "int32" in text and "3" in text and "\n" not in text
    part.write("big", {"t": np.zeros((1000, 1000))})
    assert len(repr(part["big"]["t"])) < 300


def test_html_is_text(array):
    html = array._repr_html_()
    assert "int32" in html and "units" in html


def test_an_array_of_one_version_never_changes(array, part):
    part.write("k", {"t": -VALUE})
    part.remove("k")
    assert np.array_equal(array.numpy(), VALUE)


class TestEqual:
    """`arraylog.equal`: by content."""

    def test_values_of_two_stores_are_compared(self, part, tmp_path):
        arrays = {
            "t": ("x", np.array([1.0, np.nan])),
            "m": np.ma.array([1, 2], mask=[0, 1]),
            "s": ["a", "é"],
        }
        part.write("a", arrays, attrs={"lat": 1.5, "nan": float("nan")})
        with arraylog.open(tmp_path / "other.alog", "a") as other:
            other.partition().write("b", arrays, attrs={"lat": 1.5, "nan": float("nan")})
            assert arraylog.equal(part["a"], other.partition()["b"])
            assert arraylog.equal(part["a"]["t"], other.partition()["b"]["t"])

    @pytest.mark.parametrize(
        "other",
        [
            {"t": ("x", [1.0, 2.5])},
            {"t": ("y", [1.0, 2.0])},
            {"t": [1.0, 2.0]},
            {"t": ("x", [1, 2])},
            {"t": ("x", np.array([1.0, 2.0], "f4"))},
            {"t": ("x", np.ma.array([1.0, 2.0]))},
            {"t": ("x", [1.0])},
            {"t": ("x", [1.0, 2.0], {"units": "K"})},
            {"u": ("x", [1.0, 2.0])},
            {},
            {"t": ("x", [1.0, 2.0]), "u": 1.0},
        ],
        ids=[
            "value",
            "dim",
            "no dim",
            "dtype",
            "width",
            "masked",
            "shape",
            "array attrs",
            "name",
            "none",
            "more",
        ],
    )
    def test_any_difference_is_found(self, part, other):
        part.write("a", {"t": ("x", [1.0, 2.0])})
        part.write("same", {"t": ("x", [1.0, 2.0])})
        part.write("b", other)
        assert arraylog.equal(part["a"], part["same"]) is True
        assert arraylog.equal(part["a"], part["b"]) is False

    def test_attrs_and_kind_are_compared(self, part):
        part.write("a", {}, attrs={"n": 1})
        part.write("b", {}, attrs={"n": 2})
        part.put("v", b"value")
        part.put("w", b"value")
        assert not arraylog.equal(part["a"], part["b"])
        assert arraylog.equal(part["v"], part["w"]) and not arraylog.equal(part["v"], part["a"])

    def test_what_lies_under_a_mask_is_not_compared(self, part):
        part.write("a", {"t": np.ma.array([1, 2], mask=[0, 1])})
        part.write("b", {"t": np.ma.array([1, 9], mask=[0, 1])})
        part.write("c", {"t": np.ma.array([1, 2], mask=[1, 0])})
        assert arraylog.equal(part["a"], part["b"]) and not arraylog.equal(part["a"], part["c"])

    def test_other_objects_are_type_errors(self, part):
        part.write("a", {"t": 1.0})
        with pytest.raises(TypeError):
            arraylog.equal(part["a"], {"t": 1.0})
