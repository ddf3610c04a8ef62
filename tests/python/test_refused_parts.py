"""What is said of wrong uses of arrays: of which, what was expected, and what was found."""

import sys

import numpy as np
import pytest

import arraylog

GRID = np.arange(70.0).reshape(10, 7)


@pytest.fixture
def entry(part):
    part.write(
        "k",
        {
            "t": arraylog.array(GRID, chunks=(4, 3)),
            "m": np.ma.masked_greater(GRID, 60),
            "z": np.float32(1),
            "d": np.array(["2024-01-01"], "M8[D]"),
        },
    )
    return part["k"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros(7, [("a", "i4"), ("b", "f8")]), r"array 't': structured, with fields 'a', 'b'"),
        (np.zeros(7, np.longdouble), r"array 't': \w+ \(long double\) differs between machines; astype\('float64'\) fits"),
        (np.zeros(7, np.clongdouble), r"array 't': \w+ \(long double\) differs between machines; astype\('complex128'\) fits"),
        (np.array([1, "a"], object), "array 't': an object array holds text or bytes .* is of type int: 1"),
        (np.zeros(7, "V3"), "array 't': dtype .V3 cannot be stored"),
        (np.ones(7, "f4"), "array 't' has dtype float64, the data float32"),
        (np.zeros(7, "M8"), "array 't': datetime64 without a unit"),
    ],
)
def test_a_dtype_that_does_not_fit_is_refused_by_name(part, entry, data, words):
    version = entry.version
    for write in (
        lambda: part.write_region("k", "t", 0, data),
        lambda: part.edit("k", "t").__setitem__([0, 3], data),
        lambda: part.append("k", "t", data[None]),
    ):
        with pytest.raises(arraylog.DTypeError, match=words):
            write()
    assert part["k"].version == version


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "?", "bfloat16"])
def test_a_complex_number_does_not_lose_its_imaginary_part(part, dtype):
    pytest.importorskip("ml_dtypes")
    part.write("k", {"t": arraylog.array([0, 1], dtype=dtype)})
    editor = part.edit("k", "t")
    for value in (1j, [1 + 0j, 1j], complex(1, float("nan"))):
        with pytest.raises(arraylog.InvalidError, match="cannot hold"):
            editor[:] = value
        with pytest.raises(arraylog.InvalidError, match="cannot hold"):
            arraylog.array(value, dtype=dtype)
    editor[[0]] = 1 + 0j
    assert editor[:].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda p: p.edit("k", "t").__setitem__(0, None), TypeError, "array 't': None is no data"),
        (lambda p: p.edit("k", "t").__setitem__(np.s_[::0], 1.0), ValueError, "the step of a slice is 0 for axis 0"),
        (lambda p: p.append("k", "t", GRID, axis=2), arraylog.ShapeError, r"array 't' cannot be appended to along axis 2: it has 2 axes, shape \(10, 7\)"),
        (lambda p: p.append("k", "t", GRID, axis=0.5), TypeError, "array 't': the axis to append along is an int, not 0.5 of type float"),
        (lambda p: p.append("k", "t", GRID[:, :6]), arraylog.ShapeError, r"array 't' of shape \(10, 7\): data of shape \(10, 6\) cannot be appended along axis 0"),
        (lambda p: p.append("k", "t", GRID[0], axis=-1), arraylog.ShapeError, r"data of shape \(7,\) cannot be appended along axis 1"),
        (lambda p: p.resize("k", "t", (3.5, 1)), TypeError, "array 't': a shape to resize to has lengths, each of which is an int, not 3.5 of type float"),
        (lambda p: p.resize("k", "t", "ab"), TypeError, "array 't': a shape to resize to is an int or has one for each axis, not 'ab' of type str"),
        (lambda p: p.resize("k", "t", None), TypeError, "not None of type NoneType"),
        (lambda p: p.resize("k", "t", (-1, 7)), arraylog.ShapeError, r"array 't': \(-1, 7\) is no shape to resize to"),
    ],
)
def test_changes_that_cannot_be_made_say_why(part, entry, change, error, words):
    with pytest.raises(error, match=words):
        change(part)
    assert part["k"].version == entry.version


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda e: [1][e["t"]], TypeError, r"array 't' of float64, shape \(10, 7\), is no index"),
        (lambda e: list(e["z"]), TypeError, "array 'z' has no axes and so nothing to iterate over"),
        (lambda e: memoryview(e["m"]), BufferError, "array 'm' has a mask, which a buffer would lose"),
        (lambda e: np.from_dlpack(e["m"]), BufferError, "array 'm' has a mask, which a buffer would lose: x"),
        (lambda e: memoryview(e["d"]), BufferError, r"array 'd': the buffer protocol has no code for datetime64\[D\]"),
    ],
)
def test_uses_that_an_array_has_not_say_which_array(entry, use, error, words):
    with pytest.raises(error, match=words):
        use(entry)


def test_an_array_that_is_not_there_is_told_with_its_entry(part, entry):
    for read in (lambda: entry["q"], lambda: part.edit("k", "q"), lambda: part.write_region("k", "q", 0, 1.0)):
        with pytest.raises(KeyError, match="q") as caught:
            read()
        assert caught.value.__notes__ == ["entry 'k' has the arrays 't', 'm', 'z', 'd'"]
    part.write("many", {f"a{number}": GRID for number in range(10)})
    with pytest.raises(KeyError) as caught:
        part["many"]["q"]
    assert caught.value.__notes__[0].endswith("'a7', and 2 more")
    part.write("none", {})
    with pytest.raises(KeyError) as caught:
        part["none"]["q"]
    assert caught.value.__notes__ == ["entry 'none' has no arrays"]


def test_without_ml_dtypes_what_needs_it_says_so_and_all_else_works(part, monkeypatch):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    part.write("k", {"b": np.arange(4, dtype=ml_dtypes.bfloat16)})
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    array = part["k"]["b"]
    assert array.shape == (4,) and "bfloat16" in repr(array) and "bfloat16" in array._repr_html_()
    assert array.fill_value is None and dict(array.attrs) == {}
    with pytest.raises(arraylog.DTypeError, match="NumPy has bfloat16 from the package ml_dtypes alone: pip install"):
        part.edit("k", "b")[0] = 1.0
