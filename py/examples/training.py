"""Images under their keys, and the loop that trains on them, with PyTorch if it is there."""

import os
import tempfile

import arraylog
import numpy as np


class Images:
    """A map-style dataset; its handle pickles, so workers of any kind may use it."""

    def __init__(self, path):
        self.part = arraylog.open(path).partition("images", "train")
        self.keys = list(self.part)

    def __len__(self):
        return len(self.keys)

    def __getitem__(self, index):
        return self.part.array(self.keys[index], copy=True)  # torch wants it writable


path = os.path.join(tempfile.mkdtemp(), "images.alog")
with arraylog.open(path, "x") as store:
    train = store.partition("images", "train")
    train.extend((f"img-{i:04}", np.full((3, 16, 16), i, dtype="uint8")) for i in range(64))

images = Images(path)
try:
    from torch.utils.data import DataLoader

    batches = DataLoader(images, batch_size=16, shuffle=True)
except ImportError:
    order = np.random.default_rng(0).permutation(len(images)).reshape(-1, 16)
    batches = (np.stack([images[i] for i in rows]) for rows in order)
for batch in batches:
    print(tuple(batch.shape), float(batch.max()))
