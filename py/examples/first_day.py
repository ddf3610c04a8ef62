"""Stores a profile and a plain value, and reads both back as views of the file."""

import os
import tempfile

import arraylog
import numpy as np

path = os.path.join(tempfile.mkdtemp(), "ocean.alog")
temperature = np.ma.masked_invalid(np.array([12.5, np.nan, 11.0], dtype="float32"))

with arraylog.open(path, "a") as store:
    part = store.partition("argo", "2024-01")
    part.write(
        "float-42",
        {
            "temperature": ("depth", temperature, {"units": "degC"}),
            "time": np.datetime64("2024-01-05T06:00:00", "s"),
            "platform": "6902746",
        },
        attrs={"lat": 1.5},
    )
    with store.batch() as batch:  # all of it, or nothing
        batch.partition("argo", "2024-01").put("readme", b"any bytes")

with arraylog.open(path) as store:
    part = store.partition("argo", "2024-01")
    for key, entry in part.items():
        print(key, entry)
    profile = part["float-42"]

# The entry goes on working: it holds its part of the file.
x = profile["temperature"]
print(x.dtype, x.dims, x.attrs["units"], x[()], x.filled(-999))
assert x.masked and not x.data.flags.writeable
