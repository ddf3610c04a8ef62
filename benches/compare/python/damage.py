"""The stores of the damage bench that Python reads; see `damage/child.rs` for what is said.

`damage.py make PEER FOLDER` writes the store, `damage.py serve PEER FOLDER` answers each line
"offset mask" of standard input with a word and whether reading changed the file.
"""

import sys
from pathlib import Path

import numpy as np

COUNT, LEN = 200, 3000


def content(folder):
    flat = np.fromfile(folder / "content.bin", np.uint8)
    return list(flat.reshape(COUNT, LEN))


def key(number):
    return f"key {number:03}"


class Safetensors:
    file = "store.safetensors"

    def make(self, path, values):
        from safetensors.numpy import save_file

        save_file({key(number): value for number, value in enumerate(values)}, path)

    def read(self, path):
        from safetensors import safe_open

        with safe_open(path, "np") as store:
            names = set(store.keys())
            yield None, len(names)
            for number in range(COUNT):
                yield number, lambda: store.get_tensor(key(number)) if key(number) in names else None


class Hdf5:
    file = "store.h5"

    def __init__(self, **options):
        self.options = options

    def make(self, path, values):
        import h5py

        with h5py.File(path, "w") as store:
            for number, value in enumerate(values):
                store.create_dataset(key(number), data=value, **self.options)

    def read(self, path):
        import h5py

        with h5py.File(path, "r") as store:
            yield None, len(store)
            for number in range(COUNT):
                yield number, lambda: store[key(number)][...] if key(number) in store else None


class ArrayRecord:
    """Records have numbers and no keys."""

    file = "store.array_record"

    def make(self, path, values):
        from array_record.python.array_record_module import ArrayRecordWriter

        writer = ArrayRecordWriter(str(path), "group_size:1")
        for value in values:
            writer.write(value.tobytes())
        writer.close()

    def read(self, path):
        from array_record.python.array_record_module import ArrayRecordReader

        reader = ArrayRecordReader(str(path))
        try:
            count = reader.num_records()
            yield None, count
            for number in range(COUNT):
                yield number, lambda: np.frombuffer(reader.read([number])[0], np.uint8) if number < count else None
        finally:
            reader.close()


PEERS = {
    "safetensors": Safetensors(),
    "h5py": Hdf5(),
    "h5py-fletcher32": Hdf5(chunks=(LEN,), fletcher32=True),
    "array-record": ArrayRecord(),
}


def word(peer, path, values):
    """What reading everything amounts to. What is wrong or missing counts before errors."""
    wrong = missing = errors = 0
    try:
        for number, found in peer.read(path):
            if number is None:
                wrong += found != COUNT
                continue
            try:
                found = found()
            except Exception:
                errors += 1
                continue
            if found is None:
                missing += 1
            elif found.dtype != np.uint8 or not np.array_equal(found, values[number]):
                wrong += 1
    except Exception:
        errors += 1
    return "wrong" if wrong else "missing" if missing else "error" if errors else "right"


def main(mode, name, folder):
    peer, folder = PEERS[name], Path(folder)
    path, values = folder / peer.file, content(folder)
    if mode == "make":
        peer.make(path, values)
        return
    pristine = path.read_bytes()
    for line in sys.stdin:
        at, mask = map(int, line.split())
        damaged = bytearray(pristine)
        damaged[at] ^= mask
        path.write_bytes(damaged)
        answer = word(peer, path, values)
        changed = "kept" if path.read_bytes() == damaged else "changed"
        print(answer, changed, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
