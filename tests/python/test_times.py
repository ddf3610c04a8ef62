"""datetime64 and timedelta64: units, NaT, and Python's own types."""

import datetime as dt

import numpy as np
import pytest

from samples import TIMES, UNITS

UTC = dt.UTC


@pytest.mark.parametrize("dtype", TIMES)
def test_units_nat_and_extremes_are_kept(part, reopened, dtype):
    value = np.array([0, 1, -1, 2**63 - 1, -(2**63) + 1, -(2**63)], "i8").view(dtype)
    part.write("k", {"t": value, "z": value[1]})
    entry = reopened()["k"]
    assert entry["t"].dtype == np.dtype(dtype)
    assert entry["t"].numpy().view("i8").tolist() == value.view("i8").tolist()
    assert np.isnat(entry["t"].numpy()).tolist() == [False] * 5 + [True]
    assert entry["z"][()] == value[1] and entry["z"][()].dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", TIMES)
def test_the_buffer_of_times_is_a_buffer_error_but_asarray_works(part, dtype):
    part.write("k", {"t": np.zeros(3, dtype)})
    with pytest.raises(BufferError):
        memoryview(part["k"]["t"])
    found = np.asarray(part["k"]["t"])
    assert found.dtype == np.dtype(dtype) and not found.flags.owndata


@pytest.mark.parametrize("dtype", ["M8[25s]", "m8[10ms]", "M8[7D]"])
def test_multiples_of_a_unit_are_refused_by_name(part, dtype):
    with pytest.raises(TypeError) as caught:
        part.write("k", {"when": np.zeros(3, dtype)})
    assert np.dtype(dtype).name.split("[")[1] in str(caught.value) and "when" in str(caught.value)
    part.write("k", {"when": np.zeros(3, dtype).astype("M8[s]" if dtype[0] == "M" else "m8[ms]")})


@pytest.mark.filterwarnings(
    "ignore:The 'generic' unit:DeprecationWarning"
)  # NumPy 2.5 is on its way to refuse it
@pytest.mark.parametrize("dtype", ["M8", "m8"])
def test_generic_units_are_refused_by_name(part, dtype):
    with pytest.raises(TypeError) as caught:
        part.write("k", {"when": np.array(["NaT", "NaT"], dtype)})
    assert "when" in str(caught.value) and "unit" in str(caught.value)


@pytest.mark.parametrize(
    "value, dtype",
    [
        (dt.datetime(2024, 1, 5, 6, 7, 8, 9), "M8[us]"),
        (dt.date(2024, 1, 5), "M8[D]"),
        (dt.timedelta(days=1, microseconds=5), "m8[us]"),
        (np.datetime64("2024-01-05", "h"), "M8[h]"),
        (np.timedelta64(5, "W"), "m8[W]"),
    ],
    ids=["datetime", "date", "timedelta", "datetime64", "timedelta64"],
)
def test_python_times_have_a_unit_of_their_own(part, value, dtype):
    part.write("k", {"one": value, "list": [value, value], "missing": [value, None]})
    entry = part["k"]
    for name in entry:
        assert entry[name].dtype == np.dtype(dtype)
    assert entry["one"].shape == () and entry["one"][()] == np.array(value, dtype)
    assert entry["list"].numpy().tolist() == np.array([value, value], dtype).tolist()
    assert entry["missing"].mask.tolist() == [False, True]


@pytest.mark.parametrize(
    "form",
    [
        lambda when: when,
        lambda when: [when, when],
        lambda when: np.array([when, when], object),
    ],
    ids=["scalar", "list", "object array"],
)
def test_times_with_a_zone_are_refused_with_the_way_out(part, form):
    when = dt.datetime(2024, 1, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    for aware in (when, when.astimezone(UTC)):
        with pytest.raises(TypeError, match="UTC"):
            part.write("k", {"t": form(aware)})
    assert "k" not in part
    part.write("k", {"t": [when.astimezone(UTC).replace(tzinfo=None)]})
    assert part["k"]["t"].dtype == np.dtype("M8[us]")


def test_dates_and_datetimes_in_one_list_are_refused(part):
    with pytest.raises(TypeError):
        part.write("k", {"t": [dt.datetime(2024, 1, 5), dt.timedelta(1)]})
    part.write("k", {"t": [dt.datetime(2024, 1, 5), dt.datetime(2024, 1, 6)]})


def test_pandas_timestamps_and_series_are_accepted(part):
    pandas = pytest.importorskip("pandas")
    stamps = pandas.Series(pandas.date_range("2024-01-01", periods=3))
    part.write("k", {"t": stamps, "one": stamps[0]})
    assert part.array("k", "t").tolist() == stamps.to_numpy().tolist()
    with pytest.raises(TypeError, match="UTC"):
        part.write("k", {"t": stamps.dt.tz_localize("Europe/Berlin")})


def test_units_order_times_as_numpy_does(part):
    for unit in UNITS:
        part.write(unit, {"t": np.array([1, 5], f"M8[{unit}]")})
        array = part[unit]["t"]
        assert (array == np.array(5, f"M8[{unit}]")).tolist() == [False, True]
