"""CF time numbers as datetime64, and back.

A NetCDF file keeps a time as a number with `units` ("hours since 1970-01-01") and a `calendar`.
Here it becomes the calendar date that the number stands for, as `datetime64[s]`, or as
`datetime64[us]` where it is not a whole second.

Climate models often run on calendars that datetime64 does not know. Of a time in `360_day` the
*date* is exact (the model's 1 June 1860 is stored as 1860-06-01) and durations are not: the
difference of two such datetime64 counts days that the model does not have. `units` and `calendar`
therefore stay among the attributes, and with them the date gives the file's number again. A date
that datetime64 cannot spell (30 February) leaves the whole array as the numbers of the file.
"""

from __future__ import annotations

from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray

# What a date may be away from its number: half a microsecond for the rounding to whole ones, and
# half for the last bit of a float64 that counts hours or days.
TOLERANCE_SECONDS = 1e-6

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


def is_time(attrs: dict[str, Any]) -> bool:
    """Whether attributes are those of a time: `units` of the form "<unit> since <date>"."""
    return " since " in str(attrs.get("units", ""))


def decode(numbers: NDArray[Any], attrs: dict[str, Any]) -> NDArray[Any]:
    """The dates of `numbers`, in their shape; `numbers` themselves where a date cannot be spelt."""
    dates = cftime.num2date(numbers, attrs["units"], _calendar(attrs), only_use_cftime_datetimes=True)
    labels = [date.isoformat() for date in np.ravel(np.asarray(dates, dtype=object))]
    try:
        exact = np.array(labels, dtype="M8[us]").reshape(numbers.shape)
    except ValueError:
        return numbers
    if not agrees(exact, numbers, attrs):
        return numbers
    seconds = exact.astype("M8[s]")
    return seconds if bool((seconds == exact).all()) else exact


def encode(dates: NDArray[Any], attrs: dict[str, Any]) -> NDArray[Any]:
    """The numbers that stand for `dates` under the `units` and `calendar` of `attrs`."""
    calendar = _calendar(attrs)
    flat = [_date(str(label), calendar) for label in np.ravel(dates)]
    return np.array(cftime.date2num(flat, attrs["units"], calendar), dtype="f8").reshape(dates.shape)


def agrees(dates: NDArray[Any], numbers: NDArray[Any], attrs: dict[str, Any]) -> bool:
    """Whether `dates` encode to `numbers` again, within `TOLERANCE_SECONDS`."""
    unit = str(attrs["units"]).split(" since ")[0].strip()
    apart = np.abs(encode(dates, attrs) - numbers.astype("f8")) * _SECONDS[unit]
    return bool((apart <= TOLERANCE_SECONDS).all())


def _calendar(attrs: dict[str, Any]) -> str:
    return str(attrs.get("calendar", "standard"))


def _date(label: str, calendar: str) -> Any:
    day, clock = label.split("T")
    seconds, _, fraction = clock.partition(".")
    fields = [int(part) for part in (*day.split("-"), *seconds.split(":"))]
    return cftime.datetime(*fields, int(fraction.ljust(6, "0") or 0), calendar=calendar)
