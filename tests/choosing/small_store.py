"""A sweep of some variants with given confusion counts, without any training."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.evaluation.confusion import scores
from segsweep.sweep.members import members_file
from segsweep.tracking import names
from segsweep.tracking.records import Member
from segsweep.tracking.store import Store

IMAGES, PIXELS = 40, 1000


@dataclass(frozen=True)
class Row:
    """One variant."""

    name: str
    counts: np.ndarray | None
    """(N, 2, 2); None: it failed."""
    size: int
    latency: float | None = 1.0
    kind: str = "float"
    width: int = 8
    data: str = "fields"
    baseline: str | None = None
    """The name of its baseline's row; None: itself."""
    confusions: bool = True
    """Whether the counts are kept."""
    validation: np.ndarray | None = None
    """Counts of the validation split; None: those of the test split."""
    groups: np.ndarray | None = None
    """(N,) which images belong together; None: each stands for itself."""
    has_validation: bool = True
    """Whether it was scored on the validation split, as versions before 0.2 did not do."""


def counts(share: float, *, seed: int = 0, noise: float = 0.0, images: int = IMAGES) -> np.ndarray:
    """Confusion counts of two equally frequent classes of which a `share` of the pixels is right in each image.

    The same `seed` gives the same difficult images; `noise` is what each variant adds of its own.
    """
    shared = np.random.default_rng(7).normal(0, 0.03, images)
    own = np.random.default_rng(seed).normal(0, noise, images) if noise else 0
    right = np.clip((share + shared + own) * PIXELS / 2, 0, PIXELS / 2).round().astype(np.int64)
    wrong = PIXELS // 2 - right
    return np.stack([np.stack([right, wrong], -1), np.stack([wrong, right], -1)], axis=1)


def store_with(folder: Path, *rows: Row, status: str = "FINISHED", groups: int = IMAGES) -> tuple[str, dict[str, str]]:
    """The address of a store with a sweep of these rows, and their run ids by name and width."""
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    store = Store.open(uri, "segsweep")
    sweep = store.create_run(names.SWEEP, "small", parent=None, tags={}, params={})
    ids: dict[str, str] = {}
    members = []
    for number, row in enumerate(rows):
        settings = {
            "data.name": row.data, "model.name": "unet", "model.width": row.width, "training.learning_rate": 0.01,
            "seed": 0, "quantization.name": row.name,
        }  # fmt: skip
        tags = {
            names.TRAINING_KEY: f"{row.kind}{row.width}",
            names.TRAINING_KIND: row.kind,
            names.EVALUATION_KEY: f"key{number}",
            names.DATA_FINGERPRINT: json.dumps(
                {"test": f"test of {row.data}", "validation": f"validation of {row.data}"}
            ),
            names.SCORE_RULES: names.CURRENT_RULES if row.has_validation else "1",
            names.VALIDATION_IMAGES: str(IMAGES),
            names.VALIDATION_GROUPS: str(groups),
            names.CPU: "a processor",
        }
        label = f"{row.name}{' control' if row.kind == 'finetune' else ''} w{row.width}"
        run = store.create_run(names.VARIANT, f"unet w{row.width} {row.name}", parent=sweep, tags=tags, params=settings)
        ids[label] = run
        if row.counts is not None:
            found = scores(row.counts)
            baseline = ids[row.baseline] if row.baseline else run
            metrics = {
                names.MEAN_IOU: found.mean_iou,
                names.ACCURACY: found.accuracy,
                names.MEAN_DICE: found.mean_dice,
                names.SIZE_BYTES: row.size,
                names.DELTA_MEAN_IOU: found.mean_iou - (_metric(store, baseline) if row.baseline else found.mean_iou),
            }
            chosen_by = row.counts if row.validation is None else row.validation
            if row.has_validation:
                on_validation = scores(chosen_by)
                metrics |= {
                    names.VALIDATION_MEAN_IOU: on_validation.mean_iou,
                    names.VALIDATION_ACCURACY: on_validation.accuracy,
                    names.VALIDATION_MEAN_DICE: on_validation.mean_dice,
                }
            if row.latency is not None:
                metrics[names.LATENCY_P50] = row.latency
            store.log(run, metrics=metrics, tags={names.BASELINE_RUN_ID: baseline})
            if row.confusions:
                files = {names.CONFUSION_FILE: row.counts}
                if row.has_validation:
                    files[names.VALIDATION_CONFUSION_FILE] = chosen_by
                store.add_artifacts(run, {name: _archive(each, row) for name, each in files.items()})
        ended = "FAILED" if row.counts is None else "FINISHED"
        store.finish(run, ended)
        members.append(Member(f"key{number}", tags[names.TRAINING_KEY], row.kind, True, settings, run, ended))
    store.add_artifacts(sweep, {names.MEMBERS_FILE: members_file(members)})
    store.finish(sweep, status)
    return uri, ids


def _archive(of: np.ndarray, row: Row) -> bytes:
    groups = np.arange(len(of)) if row.groups is None else row.groups
    file = io.BytesIO()
    # A version before 0.2 had a row for each patch, and did not say which belong together.
    np.savez_compressed(file, counts=of, **({"groups": groups} if row.has_validation else {}))
    return file.getvalue()


def _metric(store: Store, run_id: str) -> float:
    return store.get(run_id).metrics[names.MEAN_IOU]
