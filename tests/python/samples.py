"""Arrays of every dtype that is stored as it is, and what of them must come back."""

import numpy as np

UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
TIMES = [f"{kind}[{unit}]" for kind in ("M8", "m8") for unit in UNITS]
FIXED = ["S1", "S5", "U1", "U7"]
DTYPES = [*NUMBERS, *TIMES, *FIXED]
SHAPES = [(), (1,), (3,), (100,), (2, 3), (0,), (0, 3), (3, 0), (2, 0, 4), (4, 3, 2), (1, 1, 1, 1)]


def sample(dtype, shape):
    """An array with different elements, the extremes of its dtype among them."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(7)
    count = int(np.prod(shape))
    if dtype.kind in "SU":
        words = np.array(["", "a", "zz9", "é" if dtype.kind == "U" else "e", "abcdefg"])
        return rng.choice(words, count).astype(dtype).reshape(shape)
    if dtype.kind == "b":
        return (rng.integers(0, 2, count) == 1).reshape(shape)
    out = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    if dtype.kind in "fc" and count:
        out[0] = np.nan
        out[-1] = -0.0
    if dtype.kind in "mM" and count:
        out[0] = "NaT"
    return out.reshape(shape)


def same(found, expected):
    """Whether two arrays agree in dtype (up to byte order), shape and every bit of their elements."""
    expected = np.asarray(expected)
    little = expected.dtype.newbyteorder("<")
    return (
        found.dtype.newbyteorder("<") == little
        and found.shape == expected.shape
        and np.ascontiguousarray(found).tobytes()
        == np.ascontiguousarray(expected, little).tobytes()
    )
