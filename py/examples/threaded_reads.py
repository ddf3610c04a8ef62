"""Eight threads read one store while the main thread writes to it."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import arraylog
import numpy as np

path = os.path.join(tempfile.mkdtemp(), "series.alog")
with arraylog.open(path, "a") as store:
    series = store.partition("model", "run-1")
    series.update({f"s{i}": np.full(1000, i, dtype="float64") for i in range(200)})
    fixed = series["s0"]  # this version, whatever follows

    def read(seed):
        keys = np.random.default_rng(seed).integers(0, 200, size=500)
        return sum(float(series.array(f"s{k}")[-1] != k) for k in keys if k)

    with ThreadPoolExecutor(8) as pool:
        wrong = pool.map(read, range(8))
        for step in range(50):
            series["s0"] = np.full(1000, -step, dtype="float64")
    print("wrong values:", int(sum(wrong)))
    print("the old version still reads", fixed[""][0], "and the new one", series.array("s0")[0])
