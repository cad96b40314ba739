"""What is asked of a prediction: said by the command line, done by the worker process that reads it as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

PRODUCTS = ("ids", "colours", "probabilities", "overlay")
"""What can be written of a scene."""
COMBINATIONS = ("mean", "vote")
"""How several models become one: the mean of their probabilities, or the share of those that say a class."""
RASTERS = (".tif", ".tiff", ".jp2")
"""Suffixes of what may lie somewhere on Earth."""
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
ARRAYS = (".npy", ".npz")
SUFFIXES = (*RASTERS, *PICTURES, *ARRAYS)


@dataclass(frozen=True)
class Request:
    """One `segsweep predict`."""

    models: tuple[str, ...]
    """Paths of the `.tflite` files."""
    inputs: tuple[str, ...]
    """Paths of the scenes, no two of one stem."""
    output: str
    """The folder for what is made; it exists."""
    staging: str
    """A folder on the same disk for what is being made; it exists."""
    write: tuple[str, ...] = ("ids",)
    """Some of `PRODUCTS`."""
    overlap: float = 0.25
    """Share of a tile's side that it has in common with the next one, 0 to 0.75."""
    tta: bool = False
    """Whether each tile is predicted in all right-angle orientations."""
    whole: bool = False
    """Whether each image is brought to the models' size, and its map back, in place of tiles."""
    combine: str = "mean"
    """One of `COMBINATIONS`."""
    weights: tuple[float, ...] = ()
    """Of the models; empty: all alike."""
    channels: tuple[int, ...] = ()
    """Which bands of the scenes the models take, from 0; empty: by name, or all."""
    nodata: float | None = None
    """Value of pixels without data, where the scenes do not say so themselves."""
    scale: float | None = None
    """What the scenes' values are multiplied by first; None: nothing, and their data type must be the trained one."""
    mean: tuple[float, ...] = ()
    """In place of what the model says, by band or one for all; empty: as it says."""
    std: tuple[float, ...] = ()
    """As `mean`."""
    classes: tuple[str, ...] = ()
    """As `mean`: the class names."""
    threads: int = 0
    """How many tiles are predicted at a time; 0: as many as there are cores."""
    force: bool = False
    """Whether files that exist are replaced."""

    def to_json(self) -> str:
        """Read back by `from_json`."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Request":
        """What `to_json` wrote."""
        values: Mapping[str, object] = json.loads(text)
        assert set(values) == {each.name for each in fields(Request)}
        return Request(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}  # type: ignore[arg-type]
        )
