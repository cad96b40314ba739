"""The sets of weights that the table is about: settings of float trainings, and the data they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quality_table import rows
from segsweep.data.standin_scenes import draw_light, draw_regions, paint

QUICKSTART, STANDINS, REAL = "quickstart", "stand-ins", "real data"
SEEDS = (101, 102, 103)
"""Of network and data alike. Settings were chosen on others."""
MORE_SEEDS = (104, 105)
"""Of further quickstart trainings, for the comparison with the toolkit whose input range is mended, alone."""
LEAST_GROUPS = 12
"""A set with fewer independent groups of test images is shown without intervals."""

_CLASSES = ("road", "field", "wood", "water", "roof")
_SIDE = 64
_SCENES = {"train": 96, "validation": 32, "test": 48}


@dataclass(frozen=True)
class WeightSet:
    """One float training."""

    name: str
    """Also the name of its folder."""
    family: str
    """`QUICKSTART`, `STANDINS` or `REAL`."""
    overrides: tuple[str, ...]
    """Its settings, where `{work}` stands for the folder of the benchmark and `{real}` for that of the real data."""
    is_depthwise: bool = False
    """Whether the network has depthwise convolutions."""
    is_timed: bool = False
    """Whether the steps of its fine-tunes are timed."""
    only: tuple[str, ...] | None = None
    """The rows that it has; None: all."""

    def composed(self, work: Path, real: Path | None) -> list[str]:
        """The overrides, with the folders filled in."""
        return [each.format(work=work, real=real) for each in self.overrides]


def _quickstart() -> list[WeightSet]:
    return [
        WeightSet(
            f"quickstart-w{width}-lr{rate}-s{seed}",
            QUICKSTART,
            (
                "experiment=quickstart",
                f"model.width={width}",
                f"training.learning_rate={rate}",
                f"seed={seed}",
                f"data.seed={seed}",
            ),
            is_timed=seed == SEEDS[0] and rate == 0.01,
            only=(rows.FLOAT32, rows.QAT, rows.MENDED_QAT) if seed in MORE_SEEDS else None,
        )
        for seed in (*SEEDS, *MORE_SEEDS)
        for width in (8, 16)
        for rate in (0.003, 0.01)
    ]


_SCENE_DATA = (
    "data=npz",
    "data.train={work}/data/scenes-train.npz",
    "data.validation={work}/data/scenes-validation.npz",
    "data.test={work}/data/scenes-test.npz",
    f"data.classes=[{','.join(_CLASSES)}]",
    "data.rgb=[0,1,2]",
)
_STANDIN_NETWORKS: dict[str, tuple[tuple[str, ...], bool]] = {
    "mobilenet_v2": (("model=backbone_unet", "model.encoder=mobilenet_v2", "model.alpha=0.35", "model.width=8"), True),
    "mobilenet_v3": (
        ("model=backbone_unet", "model.encoder=mobilenet_v3_small", "model.alpha=0.35", "model.width=8"),
        True,
    ),
    "efficientnet": (("model=backbone_unet", "model.encoder=efficientnet_b0", "model.width=8"), True),
    "separable_unet": (("model=unet", "model.depth=3", "model.width=8", "model.separable=true"), True),
    "unet": (("model=unet", "model.depth=3", "model.width=8"), False),
}
"""By name: the overrides of the network, and whether it has depthwise convolutions. `unet` has transposed ones."""


def _standins() -> list[WeightSet]:
    shared = (f"seed={SEEDS[0]}", "training.learning_rate=0.005", "training.batch_size=8", "training.epochs=25")
    return [
        WeightSet(f"scenes-{name}", STANDINS, (*_SCENE_DATA, *network, *shared), is_depthwise, name == "separable_unet")
        for name, (network, is_depthwise) in _STANDIN_NETWORKS.items()
    ]


def _real() -> list[WeightSet]:
    flanders = (
        "data=npz",
        "data.train={real}/s2_cropland_flanders_64/train.npz",
        "data.test={real}/s2_cropland_flanders_64/test.npz",
        "data.classes=[other,cropland]",
    )
    belgium = (
        "data=npz",
        "data.train={real}/s2_cropland_belgium_101/train.npz",
        "data.test={work}/data/belgium-test.npz",
        "data.classes=[other,cropland]",
        "data.ignore_label=255",
        "data.groups=dates",
        "data.patch.size=48",
        "loss.class_weights=balanced",
        "training.augmentation.brightness=0.2",
        "training.augmentation.contrast=[0.8,1.2]",
    )
    voc = ("data=voc", "data.root={real}/voc2012_seg", "data.target=foreground", "data.size=[128,128]", "model.width=8")
    shared = (f"seed={SEEDS[0]}", "training.learning_rate=0.003")
    return [
        WeightSet("flanders-w8", REAL, (*flanders, "model.width=8", *shared)),
        WeightSet("flanders-w16", REAL, (*flanders, "model.width=16", *shared)),
        WeightSet("belgium-w8", REAL, (*belgium, "model.width=8", *shared)),
        WeightSet("voc-foreground", REAL, (*voc, *shared)),
    ]


def weight_sets(real: Path | None) -> list[WeightSet]:
    """All of them; without those on real data where their folder is not given."""
    return [*_quickstart(), *_standins(), *(_real() if real is not None else [])]


def write_data(sets: Sequence[WeightSet], work: Path, real: Path | None) -> None:
    """Write the archives that these sets need into `work / "data"`, unless they are there."""
    folder = work / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if any(each.family == STANDINS for each in sets):
        for number, (role, count) in enumerate(_SCENES.items()):
            _write_once(folder / f"scenes-{role}.npz", lambda count=count, number=number: _scenes(count, number))
    if real is not None and any(each.name.startswith("belgium") for each in sets):
        _write_once(folder / "belgium-test.npz", lambda: _belgium_test(real))


def _scenes(count: int, number: int) -> dict[str, np.ndarray]:
    """Scenes as the stand-ins of published data sets have them, more of them, each in a light of its own."""
    images, masks = [], []
    for index in range(count):
        rng = np.random.default_rng([7, number, index])
        masks.append(draw_regions(rng, (_SIDE, _SIDE), len(_CLASSES), sure=index % len(_CLASSES)).astype(np.uint8))
        images.append(paint(rng, masks[-1], draw_light(rng)))
    return {"X": np.stack(images), "Y": np.stack(masks)}


def _belgium_test(real: Path) -> dict[str, np.ndarray]:
    """The test place without the corner that is the training place, too."""
    with np.load(real / "s2_cropland_belgium_101" / "test.npz") as arrays:
        return {
            "X": arrays["X"],
            "Y": np.where(arrays["VALID"] == 1, arrays["Y"], 255).astype(np.uint8),
            # Months of another place are other groups than those of the training place.
            "dates": np.array([f"test {date}" for date in arrays["dates"]]),
        }


def _write_once(path: Path, make) -> None:  # type: ignore[no-untyped-def]
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        np.savez(file, **make())
    temporary.replace(path)
