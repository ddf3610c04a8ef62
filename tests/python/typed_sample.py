"""What a typed program writes: this file passes `mypy --strict`."""

import os
from collections.abc import MutableMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import arraylog
from arraylog import (
    Array,
    ArrayEditor,
    ArraySpec,
    ArrayStats,
    Batch,
    Collection,
    Entry,
    Partition,
    Snapshot,
    Store,
)


def write(path: str | os.PathLike[str]) -> int | None:
    with arraylog.open(
        path, "a", durability="synced", verify="always", io="mmap", lock=True
    ) as store:
        part: Partition = store.partition("argo", "2024-01")
        t = np.arange(10, dtype="f4")
        spec: ArraySpec = arraylog.array(
            t, "depth", dtype="f8", mask=t > 5, fill_value=-1.0, attrs={"units": "K"}
        )
        part.write(
            "float-42",
            {
                "t": t,
                "tuple": ("depth", t, {"a": 1}),
                "spec": spec,
                "text": "x",
                "list": [1, 2],
                "when": np.datetime64("2024-01-05", "s"),
            },
            attrs={"lat": 1.5, "nested": {"a": [1, 2]}},
        )
        cut = arraylog.array(np.zeros((10, 10)), ("x", "y"), chunks=(5, 5), codec="zstd:3")
        part.write("grid", {"t": cut, "auto": arraylog.array(t, chunks="auto")})
        part.write_region("grid", "t", np.s_[2:4, ::-1], np.ones(10))
        part.append("grid", "auto", [1.0, 2.0], axis=0)
        part.resize("grid", "auto", 20)
        part.assign("grid", {"n": 1}, attrs={"a": 1}, drop=["auto"], rename={"t": "u"})
        part.assign("grid", drop_attrs=("a",))
        editor: ArrayEditor = part.edit("grid", "u")
        editor[0, ...] = 3.0
        lengths: tuple[int, ...] | None = editor.chunks
        stored: Array = part["grid"]["u"]
        codec: str | None = stored.codec
        stats: ArrayStats | None = stored.stats
        print(editor.shape, editor[1], lengths, stored.nbytes_stored, codec, stats and stats.max)
        part[b"bytes"] = b"value"
        part["bare"] = t
        part["copy"] = part["bare"]
        part.put("raw", memoryview(b"abc"))
        part.update({"a": {"x": t}})
        part.extend([("b", {"x": t})], batch=10, progress=lambda done, total: None)
        part.rename("a", "c", overwrite=True)
        gone: bool = part.remove("c")
        del part["b"]
        part.put("once", b"1", if_absent=True)
        part.write("once", {"t": t}, if_version=part["once"].version)
        part.copy("once", "twice", to=part, overwrite=True)
        part.rename("twice", "thrice", to=part, overwrite=True)
        removed: int = part.remove_many(["thrice", b"nothing"])
        gone = gone or removed > 0
        batch: Batch
        with store.batch(durability="buffered") as batch:
            target = batch.partition("argo", "2024-01")
            target.write_region("grid", "u", np.s_[0, ::2], 1.0)
            target.append("grid", "u", np.ones((1, 10)), axis=0)
            target.resize("grid", "u", (5, 10))
            target.assign("grid", {"v": t}, attrs={"n": 1}, drop=["n"], rename={"u": "t"})
            target.put("k", b"v")
            target.write("w", {"t": t}, if_absent=True)
            gone = target.remove("k") and gone
        store.attrs["title"] = "floats"
        store["argo"].attrs.update({"n": 1}, m=2)
        aligned: Partition = store.create_partition(
            "argo", "aligned", codec="none", align=4096, attrs={"a": 1}, exist_ok=True
        )
        attrs: MutableMapping[str, Any] = aligned.attrs
        attrs.pop("a", None)
        store.rename_partition("argo", "aligned", "other", "aligned")
        store.rename_collection("other", "another")
        gone = store.drop("another", "aligned") and store.drop("another") and gone
        store.sync()
        snapshot: Snapshot = store.snapshot()
        with store.at(snapshot.seqno) as earlier:
            gone = earlier.closed or gone
            copied: int = earlier.backup(f"{os.fspath(path)}.copy", replace=True).entries
        freed: int = store.compact(keep=snapshot, throttle=1 << 30, progress=lambda done, total: None)
        live: int = sum(each.live_bytes for each in store.usage(detailed=True).partitions)
        print(store.checkpoint(), snapshot.partition("argo", "2024-01"), copied, freed, live, gone)
        return batch.seqno


def read(path: str) -> float:
    with arraylog.open(":memory:", "a", replay_bound=1000, compact_when=(0.5, 1 << 20)) as kept:
        print(kept.compact(by_field=False))
    store: Store = arraylog.open(path, chunk_cache=1 << 20)
    collection: Collection = store["argo"]
    part: Partition = collection["2024-01"]
    entry: Entry = part["float-42"]
    array: Array = entry["t"]
    view: NDArray[Any] = part.array("float-42", "t", copy=True)
    missing: NDArray[np.bool_] | None = entry["spec"].mask
    raw = part.value("raw", None)
    entries: list[Entry] = part.get_many(["float-42"])
    arrays: list[NDArray[Any]] = part.get_many(["float-42"], "t")
    dicts: list[dict[str, NDArray[Any]]] = part.get_many(["float-42"], ["t"], default=None)
    lat: NDArray[Any] = part.attr_column("lat", keys=["float-42"])
    versions: list[int] = [version.seqno for version in part.history("float-42", limit=3)]
    print(entries, arrays, dicts, lat, versions)
    whole: dict[str, NDArray[Any]] = entry.to_dict(["t"], copy=False)
    names: list[str] = [key for key in part if key in part]
    shape: tuple[int, ...] = array.shape
    dims: tuple[str | None, ...] = array.dims
    data: bytes = bytes(memoryview(part["raw"])) + part["raw"].value.tobytes()
    found: Entry | None = part.get("nothing")
    with part.open("raw") as file, arraylog.open(":memory:", "a") as other:
        other.partition().put("copy", file)
        data += file.read(10) + other.partition().open("copy").read()
    same: bool = arraylog.equal(entry, entry) and arraylog.equal(array, array)
    if store.refresh() and found is None and missing is not None and raw is not None and same:
        print(np.asarray(array), view, whole, names, shape, dims, data, entry.kind, len(part))
    try:
        part["nothing"]
    except arraylog.NotFoundError as error:
        print(error.kind)
    store.close()
    return float(array[0])


if __name__ == "__main__":
    import tempfile

    folder = tempfile.mkdtemp()
    write(os.path.join(folder, "typed.alog"))
    print(read(os.path.join(folder, "typed.alog")))
