"""bfloat16, float8_e4m3fn and float8_e5m2, which NumPy has from ml_dtypes."""

import ml_dtypes
import numpy as np
import pytest

import arraylog
from files import MAPS, address, mapped_file, same_file
from samples import same

NAMES = ["bfloat16", "float8_e4m3fn", "float8_e5m2"]


@pytest.fixture(params=NAMES)
def dtype(request):
    """Each of the three."""
    return np.dtype(getattr(ml_dtypes, request.param))


def every_value(dtype):
    """All bits there are, NaN with each of its payloads among them."""
    count = 256**dtype.itemsize
    return np.arange(count, dtype=f"u{dtype.itemsize}").view(dtype)


def test_every_value_comes_back_bit_by_bit(part, states, dtype):
    data = every_value(dtype)
    part.write("k", {"t": ("x", data), "square": data[:64].reshape(8, 8)[:, ::2], "one": data[5]})
    for state in states():
        found = state["k"]["t"]
        assert found.dtype == dtype and found.dims == ("x",)
        assert repr(found) == f"<arraylog.Array 't' {dtype.name} shape={data.shape} dims=('x',)>"
        for view in (found[()], np.asarray(found), found.data, state.array("k", "t")):
            assert same(view, data) and not view.flags.writeable
        assert same(state.array("k", "square"), data[:64].reshape(8, 8)[:, ::2])
        assert same(state.array("k", "one"), np.asarray(data[5]))
        assert found.numpy(copy=True).flags.writeable


@pytest.mark.skipif(not MAPS.exists(), reason="this system has no /proc/self/maps")
def test_they_are_read_without_a_copy(part, path, dtype):
    part.write("k", {"t": np.zeros(5000, dtype)})
    assert same_file(mapped_file(address(part.array("k", "t"))), path)


def test_masks_and_fill_values_come_back(part, states, dtype):
    data = np.array([1, 2, 3], dtype)
    masked = np.ma.MaskedArray(data, [False, True, False])
    part.write("k", {"t": masked, "f": arraylog.array(data, mask=[False, True, False], fill_value=dtype.type(0.5))})
    for state in states():
        found = state["k"]["t"]
        assert found.fill_value is None and found.mask.tolist() == [False, True, False]
        assert same(found.data, data)
        filled = found.filled()
        assert filled.dtype == dtype and np.isnan(filled).tolist() == [False, True, False]
        chosen = state["k"]["f"]
        assert type(chosen.fill_value) is dtype.type and chosen.fill_value == dtype.type(0.5)
        assert chosen.filled().astype("f4").tolist() == [1, 0.5, 3]
        # What is read is written back as it was.
        assert arraylog.array(found.numpy()).fill_value is None
        assert arraylog.array(chosen.numpy()).fill_value == dtype.type(0.5)


def test_attributes_come_back_with_their_exact_type(part, states, dtype):
    attrs = {"one": dtype.type(1.5), "nan": every_value(dtype)[-1], "many": np.array([1, 2], dtype), "in": [dtype.type(2)]}
    part.write("k", {"t": ("x", [1], dict(attrs))}, attrs=attrs)
    for state in states():
        for found in (state["k"].attrs, state["k"]["t"].attrs):
            assert type(found["one"]) is dtype.type and found["one"] == dtype.type(1.5)
            assert found["nan"].tobytes() == attrs["nan"].tobytes()
            assert same(found["many"], attrs["many"])
            assert type(found["in"][0]) is dtype.type


def test_lists_become_them_if_asked_and_what_overflows_is_refused(part, dtype):
    spec = arraylog.array([0.1, None, 2], dtype=dtype.name)
    part.write("k", {"t": spec, "again": arraylog.array([1, 2], dtype=dtype), "empty": arraylog.array([], dtype=dtype)})
    assert same(part["k"]["t"].data[::2], np.array([0.1, 2], dtype))
    assert part["k"]["again"].dtype == dtype and part["k"]["empty"].shape == (0,)
    with pytest.raises(arraylog.InvalidError, match=dtype.name):
        arraylog.array([1e300], dtype=dtype)
    assert np.isnan(arraylog.array([np.nan], dtype=dtype)._data).all()


def test_infinity_is_no_float8_e4m3fn():
    with pytest.raises(arraylog.InvalidError, match="float8_e4m3fn"):
        arraylog.array([np.inf], dtype="float8_e4m3fn")
    assert np.isinf(arraylog.array([np.inf], dtype="float8_e5m2")._data).all()


@pytest.mark.parametrize("name", ["float8_e4m3b11fnuz", "float8_e4m3", "float4_e2m1fn", "int4", "uint2"])
def test_others_of_ml_dtypes_are_refused_by_name(part, name):
    other = getattr(ml_dtypes, name)
    with pytest.raises(arraylog.UnsupportedDTypeError, match=name):
        part.write("k", {"t": np.zeros(2, other)})
    with pytest.raises(arraylog.UnsupportedDTypeError, match=name):
        arraylog.array([1], dtype=name)
    assert "k" not in part


WITHOUT = """
import sys
sys.modules["ml_dtypes"] = None
import arraylog
import numpy as np
entry = arraylog.open(sys.argv[1])["argo"]["2024-01"]["k"]
array = entry["t"]
print(repr(array), array.shape, array.dims, array.nbytes, entry["plain"].data.tolist())
def told(use, name):
    try:
        use()
    except arraylog.DTypeError as error:
        text = str(error)
        assert type(error) is arraylog.DTypeError and isinstance(error.__cause__, ImportError)
        assert name in text and "pip install arraylog[ml]" in text, text
    else:
        raise AssertionError(use)
for use in (lambda: array[()], lambda: array.dtype, lambda: array.data, lambda: np.asarray(array)):
    told(use, 'array "t": NumPy has bfloat16')
told(lambda: entry.attrs["a"], "bfloat16")
told(lambda: arraylog.array([1.0], dtype="bfloat16"), "bfloat16")
"""


def test_without_ml_dtypes_only_their_elements_cannot_be_read(part, store, child):
    data = np.ones((2, 3), ml_dtypes.bfloat16)
    part.write("k", {"t": (("x", None), data), "plain": [1]}, attrs={"a": data[0, 0]})
    store.close()
    done = child(WITHOUT, store.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "<arraylog.Array 't' bfloat16 shape=(2, 3) dims=('x', None)> (2, 3) ('x', None) 12 [1]\n"
