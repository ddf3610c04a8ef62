"""Arrays for consumers of DLPack: read-only, and without a copy where it can say so."""

import ml_dtypes
import numpy as np
import pytest

from samples import NUMBERS, same, sample

CPU = (1, 0)
says_read_only = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="this NumPy has DLPack without versions"
)


@says_read_only
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (0,), (1000,), (4, 3, 2)], ids=str)
def test_numbers_are_lent_read_only_without_a_copy(part, states, dtype, shape):
    data = sample(dtype, shape)
    part.write("k", {"t": data})
    for state in states():
        array = state["k"]["t"]
        assert array.__dlpack_device__() == CPU
        found = np.from_dlpack(array)
        assert same(found, data) and not found.flags.writeable
        if data.size > 8:
            assert found.ctypes.data == array.data.ctypes.data


class Old:
    """A consumer of the protocol before version 1."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **_):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_a_consumer_before_version_1_gets_a_copy(part):
    data = np.arange(1000.0)
    part.write("k", {"t": data})
    found = np.from_dlpack(Old(part["k"]["t"]))
    assert same(found, data)
    assert found.ctypes.data != part["k"]["t"].data.ctypes.data
    with pytest.raises(BufferError, match="read-only"):
        part["k"]["t"].__dlpack__(copy=False)
    with pytest.raises(BufferError, match="CPU"):
        part["k"]["t"].__dlpack__(dl_device=(2, 0))


@says_read_only
def test_a_copy_that_is_asked_for_is_writable(part):
    part.write("k", {"t": np.arange(3)})
    found = np.from_dlpack(part["k"]["t"], copy=True)
    found[0] = 7
    assert part.array("k", "t")[0] == 0


def test_an_array_with_a_mask_is_refused_as_by_the_buffer_protocol(part):
    part.write("k", {"t": np.ma.MaskedArray([1, 2], [False, True])})
    with pytest.raises(BufferError) as refused:
        part["k"]["t"].__dlpack__(max_version=(1, 0))
    with pytest.raises(BufferError) as by_buffer:
        memoryview(part["k"]["t"])
    assert str(refused.value) == str(by_buffer.value)


@pytest.mark.parametrize(
    "data",
    [np.zeros(2, "M8[s]"), np.zeros(2, "S3"), np.zeros(2, "U3"), ["a"], np.zeros(2, ml_dtypes.bfloat16)],
    ids=["datetime64", "S3", "U3", "string", "bfloat16"],
)
def test_what_dlpack_has_no_code_for_is_refused_by_name(part, data):
    part.write("k", {"t": data})
    array = part["k"]["t"]
    with pytest.raises(BufferError) as refused:
        array.__dlpack__(max_version=(1, 0))
    assert array._dtype_name in str(refused.value)
