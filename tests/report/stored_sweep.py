"""A sweep in a store as jobs would have left it, without any training."""

import json
from collections.abc import Sequence

import numpy as np

from segsweep.evaluation.samples import Samples, stored_samples
from segsweep.sweep.members import members_file
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord
from segsweep.tracking.store import Store

CLASSES = ("ground", "<script>alert(1)</script>", "A & B", "50 %_水")
PALETTE = ((120, 120, 90), (200, 40, 40), (40, 90, 200), (30, 160, 80))
SIZES = {"float32": 400_000, "int8": 110_000, "qat_int8": 112_000}
SIDE = 48
FINGERPRINT = json.dumps({"train": "aa", "validation": "bb", "test": "cc"})


def stored_sweep(
    store: Store,
    *,
    widths: Sequence[int] = (8, 16),
    failing: Sequence[int] = (),
    pictures: bool = True,
    data: Sequence[str] = ("fields",),
    ended: str | None = "FINISHED",
) -> RunRecord:
    """A sweep of widths and of float32, int8 and qat_int8 with its controls; the jobs of a width of `failing` failed.

    One that has not `ended` has one more row to come.
    """
    tags = {
        names.COMMAND: "segsweep run -m 'model.width=8,16' \"<b>&\"",
        names.VERSIONS: json.dumps({"tensorflow": "2.21.0"}),
        names.VERSION: "0.1.0",
    }
    sweep_id = store.create_run(
        names.SWEEP, "fields <unet>: 6 jobs", parent=None, tags=tags, params={"training.epochs": 3}
    )
    members = []
    for name in data:
        for width in widths:
            members += _family(store, sweep_id, width, name, fails=width in failing, pictures=pictures)
    if ended is None:
        members.append(Member("to come", "to come", "float", True, members[0].settings))
    store.add_artifacts(sweep_id, {names.MEMBERS_FILE: members_file(members)})
    if ended is not None:
        store.finish(sweep_id, ended)
    return store.get(sweep_id)


def _family(store: Store, sweep_id: str, width: int, data: str, *, fails: bool, pictures: bool) -> list[Member]:
    members = []
    baseline = None
    variants = [
        ("float", "float32"),
        ("float", "int8"),
        ("qat", "qat_int8"),
        ("finetune", "float32"),
        ("finetune", "int8"),
    ]
    for place, (kind, variant) in enumerate(variants):
        settings = {
            "data.name": data, "model.name": "<unet>", "model.width": width, "training.learning_rate": 0.01, "seed": 0,
            "quantization.name": variant,
        }  # fmt: skip
        keys = f"{data}{width}", f"{data}{width}{kind}{variant}"
        tags = {
            names.SWEEP_ID: sweep_id,
            names.TRAINING_KEY: keys[0] + kind,
            names.TRAINING_KIND: kind,
            names.EVALUATION_KEY: keys[1],
            names.DATA_FINGERPRINT: FINGERPRINT.replace("cc", f"cc-{data}"),
            names.TEST_IMAGES: "3",
            names.SCORE_RULES: names.CURRENT_RULES,
            names.CLASSES: json.dumps(CLASSES),
        }
        if kind != "float":
            tags[names.PARENT_TRAINING_KEY] = keys[0] + "float"
        run_id = store.create_run(
            names.VARIANT, f"<unet> w{width} {variant}", parent=sweep_id, tags=tags, params=settings
        )
        if fails:
            reason = f"ValueError: <img src=x onerror=alert({width})>"
            store.log(run_id, tags={names.FAILURE: reason})
            store.finish(run_id, "FAILED")
            members.append(Member(keys[1], keys[0] + kind, kind, True, settings, run_id, "FAILED", reason))
            continue
        score = 0.7 + width / 100 - 0.01 * place
        baseline = baseline or run_id
        store.log(
            run_id,
            metrics={
                names.ACCURACY: score + 0.1, names.MEAN_IOU: score, names.MEAN_DICE: score + 0.05,
                names.VALIDATION_MEAN_IOU: score, names.VALIDATION_ACCURACY: score + 0.1,
                names.VALIDATION_MEAN_DICE: score + 0.05,
                names.DELTA_ACCURACY: -0.01 * place, names.DELTA_MEAN_IOU: -0.01 * place,
                names.DELTA_MEAN_IOU_LOW: -0.01 * place - 0.005, names.DELTA_MEAN_IOU_HIGH: -0.01 * place + 0.012,
                names.AGREEMENT: 1 - 0.01 * place, names.SIZE_BYTES: SIZES[variant] * width / 8 + place,
                names.LATENCY_P50: 1 / (place + 1) * width / 8,
                **dict.fromkeys(names.class_metrics(names.IOU, CLASSES), score),
            },
            tags={names.BASELINE_RUN_ID: baseline},
        )  # fmt: skip
        if pictures:
            store.add_artifacts(run_id, {names.SAMPLES_FILE: stored_samples(samples(seed=place, data=data))})
        store.finish(run_id, "FINISHED")
        members.append(Member(keys[1], keys[0] + kind, kind, True, settings, run_id, "FINISHED"))
        if variant == "float32":
            _training(store, sweep_id, keys[0] + kind, kind, width)
    return members


def _training(store: Store, sweep_id: str, key: str, kind: str, width: int) -> None:
    tags = {names.TRAINING_KEY: key, names.TRAINING_KIND: kind, names.SWEEP_ID: sweep_id}
    run_id = store.create_run(names.TRAINING, f"<unet> w{width} {kind}", parent=sweep_id, tags=tags, params={})
    epochs = [{"val/mean_iou": 0.5 + epoch / 10, "val/loss": 1.0, "train/loss": 1.2} for epoch in range(3)]
    store.add_artifacts(run_id, {names.HISTORY_FILE: json.dumps(epochs).encode()})
    store.finish(run_id, "FINISHED")


def samples(seed: int, count: int = 3, data: str = "fields") -> Samples:
    """Images of some data with the same truth whatever the seed, which is that of the predictions."""
    random = np.random.default_rng(len(data))
    truth = random.integers(0, len(CLASSES), (count, 6, 6)).astype(np.uint8).repeat(SIDE // 6, 1).repeat(SIDE // 6, 2)
    images = random.integers(0, 255, (count, SIDE, SIDE, 3)).astype(np.uint8)
    random = np.random.default_rng(seed)
    predictions = np.where(random.random(truth.shape) < 0.1, random.integers(0, len(CLASSES), truth.shape), truth)
    return Samples(np.arange(count), images, truth, predictions.astype(np.uint8), CLASSES, PALETTE)
