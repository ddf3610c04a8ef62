"""One picture: a stored field drawn from its zero-copy array, and the measured rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display is needed to write a file

import arraylog
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

import sources

COLOURS = {"arraylog": "#c2410c", "LMDB": "#475569", "numpy.save": "#94a3b8"}


@dataclass
class Panel:
    """Bars of one figure: a value for each store."""

    title: str
    note: str
    values: dict[str, float]
    label: Callable[[float], str]


def draw(store_path: Path, panels: list[Panel], caption: str, out: Path) -> None:
    """Write the picture to `out`."""
    plt.rcParams.update({"font.size": 12, "axes.titlesize": 13, "font.family": "DejaVu Sans"})
    figure = plt.figure(figsize=(15, 13), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=(2.1, 1), hspace=0.04)
    above, below = halves
    with arraylog.open(store_path, "r") as store:
        _map(above, store["orca2_votemper"])
    for axes, panel in zip(np.ravel(below.subplots(1, len(panels))), panels, strict=True):
        _bars(axes, panel)
    below.supxlabel(caption, fontsize=11, color="#475569")
    figure.savefig(out, dpi=110, facecolor="white")
    plt.close(figure)


def _map(figure: Any, collection: arraylog.Collection) -> None:
    (partition,) = collection.values()
    entry = partition["votemper"]
    field = entry["votemper"].numpy()
    cells = _cells(entry["nav_lon"].data, entry["nav_lon_bnds"].data, entry["nav_lat_bnds"].data)
    sea = ~np.ma.getmaskarray(field).ravel()
    axes = figure.subplots()
    drawn = PolyCollection(
        list(cells[sea]), array=np.ma.compressed(field), cmap="turbo", edgecolor="face", linewidth=0.2
    )
    axes.add_collection(drawn)
    axes.set(xlim=(-180, 180), ylim=(-80, 90), facecolor="#d6d3d1", aspect=1.1)
    axes.set_xticks(range(-180, 181, 60), [_degrees(x, "W", "E") for x in range(-180, 181, 60)])
    axes.set_yticks(range(-60, 91, 30), [_degrees(y, "S", "N") for y in range(-60, 91, 30)])
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
    depth = entry["deptht"]
    missing = field.size - int(sea.sum())
    axes.set_title(
        f"ORCA2 ocean model: potential temperature at {depth.item():.0f} {depth.attrs['units']} depth, drawn from the "
        f"stored array in place\n{field.shape[0]} x {field.shape[1]} {field.dtype}, {missing:,} masked (grey), "
        "longitudes and latitudes of the cells' corners from the same entry"
    )
    figure.colorbar(drawn, ax=axes, label=f"{entry['votemper'].attrs['standard_name']}, °C", pad=0.01, shrink=0.92)
    figure.supxlabel(f"Data: {sources.CREDIT}", fontsize=11, color="#475569")


def _cells(centre: NDArray[Any], longitudes: NDArray[Any], latitudes: NDArray[Any]) -> NDArray[Any]:
    """The corners of each grid cell, shape (cells, 4, 2).

    Corners are brought to the side of the date line on which the centre of their cell lies, since a
    cell would otherwise be drawn across the whole map.
    """
    middle = (centre.astype("f8").ravel() + 180) % 360 - 180
    corners = longitudes.reshape(-1, 4)
    beside = middle[:, None] + (corners - middle[:, None] + 180) % 360 - 180
    return np.stack([beside, latitudes.reshape(-1, 4)], axis=-1)


def _bars(axes: Axes, panel: Panel) -> None:
    names = list(panel.values)
    heights = [panel.values[name] for name in names]
    bars = axes.bar(names, heights, color=[COLOURS[name] for name in names], width=0.66)
    axes.bar_label(bars, [panel.label(height) for height in heights], padding=3, fontsize=12, fontweight="bold")
    axes.set_title(f"{panel.title}\n", loc="left", fontweight="bold", pad=8)
    axes.annotate(panel.note, (0, 1), (0, 8), xycoords="axes fraction", textcoords="offset points", fontsize=10.5)
    axes.set_ylim(0, max(heights) * 1.15)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _degrees(value: int, negative: str, positive: str) -> str:
    return f"{abs(value)}°{negative if value < 0 else positive if value > 0 else ''}"
