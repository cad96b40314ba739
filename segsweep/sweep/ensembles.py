"""Ensembles of a sweep: for each quantization asked for, the best trainings together, as one more variant."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segsweep.config.keys import content_key, versions
from segsweep.config.schema import EnsembleConfig
from segsweep.data.dataset import Normalization, Split
from segsweep.data.sources import load_dataset
from segsweep.evaluation.ensemble import EnsembleMember, EnsemblePredictor
from segsweep.evaluation.evaluator import Evaluation, evaluate
from segsweep.evaluation.image_counts import read_counts
from segsweep.evaluation.stored_predictions import StoredPredictions
from segsweep.lineage.specs import VariantSpec
from segsweep.lineage.variants import EVALUATION_FORMAT
from segsweep.quantization.training_kinds import CONTROL
from segsweep.runs.score_metrics import deltas, score_files, score_metrics, score_tags, validation_metrics
from segsweep.sweep.waves import Job
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import read
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord
from segsweep.tracking.store import Store

_BATCH = 8


@dataclass(frozen=True)
class Made:
    """A variant of the sweep that is done."""

    spec: VariantSpec
    run: RunRecord
    validation: float
    """Mean IoU of its training's best epoch on the validation split, by which members are chosen."""


@dataclass(frozen=True)
class EnsembleSpec:
    """An ensemble that is to be scored."""

    members: tuple[Made, ...]
    """Best first."""
    baseline: RunRecord
    """The float32 file of the first member's training."""
    config: EnsembleConfig
    key: str

    @property
    def quantization(self) -> str:
        return self.members[0].spec.variant.name


def ensembles(made: Iterable[Made], config: EnsembleConfig) -> list[EnsembleSpec]:
    """The ensembles that the variants of a sweep allow: of one data set and one quantization, from as many trainings.

    Args:
        made: finished variants of the sweep.
        config: how many members, and how they decide.
    """
    groups: dict[tuple[str, str], list[Made]] = {}
    baselines: dict[str, RunRecord] = {}
    for each in made:
        if each.spec.training.kind == CONTROL:
            continue
        tested = json.loads(each.run.tags[names.DATA_FINGERPRINT])["test"]
        groups.setdefault((tested, each.spec.variant.name), []).append(each)
        if each.spec.baseline is None:
            baselines[each.spec.training.key] = each.run
    found = []
    for group in groups.values():
        # Files of one training that differ in their calibration say nearly the same.
        first: dict[str, Made] = {}
        for each in sorted(group, key=lambda each: (-each.validation, each.spec.key)):
            first.setdefault(each.spec.training.key, each)
        best = list(first.values())[: config.size]
        origin = best[0].spec.training.root.key
        if len(best) == config.size and origin in baselines:
            found.append(EnsembleSpec(tuple(best), baselines[origin], config, _key(best, config)))
    return found


def ensemble_remarks(jobs: Sequence[Job], config: EnsembleConfig) -> list[str]:
    """What whoever runs these jobs should know where they are too few for any ensemble."""
    trainings: dict[str, set[str]] = {}
    for spec in (spec for job in jobs for spec in job.spec.variants if spec.training.kind != CONTROL):
        trainings.setdefault(spec.variant.name, set()).add(spec.training.key)
    most = max((len(each) for each in trainings.values()), default=0)
    if config.name == "none" or most >= config.size:
        return []
    return [f"takes {config.size} trainings of a quantization, and here are {most}: there will be none (ensemble.size)"]


def made_variants(store: Store, specs: Mapping[str, VariantSpec], runs: Mapping[str, RunRecord]) -> list[Made]:
    """The variants that are done, with what their trainings reached; by evaluation key each."""
    keys = {specs[key].training.key for key in runs}
    scores = {
        run.tags[names.TRAINING_KEY]: run.metrics.get(names.BEST_VALIDATION_IOU, 0.0)
        for run in store.with_keys(names.TRAINING, names.TRAINING_KEY, keys)
        if run.is_finished
    }
    return [Made(specs[key], run, scores.get(specs[key].training.key, 0.0)) for key, run in runs.items()]


def _key(members: Sequence[Made], config: EnsembleConfig) -> str:
    return content_key(
        {
            "format": EVALUATION_FORMAT,
            "members": [each.spec.evaluation_key for each in members],
            "combine": config.combine,
            "weights": _weights(members, config),
            "versions": versions("ai-edge-litert"),
        }
    )


def _weights(members: Sequence[Made], config: EnsembleConfig) -> list[float]:
    """Equal ones, or how well each does in the validation."""
    return [each.validation if config.combine == "weighted" else 1.0 for each in members]


def ensure_ensemble(spec: EnsembleSpec, store: Store, sweep_id: str) -> Member:
    """The row of an ensemble, whose run is found in the store, or made: its members are scored together."""
    known = [run for run in store.with_key(names.VARIANT, names.EVALUATION_KEY, spec.key) if run.is_finished]
    run_id = known[0].run_id if known else _make(spec, store, sweep_id)
    return Member(
        evaluation_key=spec.key,
        training_key="",
        training_kind=names.ENSEMBLE,
        asked=True,
        settings=_settings(spec),
        run_id=run_id,
        status="FINISHED",
    )


def _settings(spec: EnsembleSpec) -> dict[str, Any]:
    return {
        "data.name": spec.members[0].spec.config.data.name,
        "model.name": f"ensemble of {len(spec.members)}",
        "quantization.name": spec.quantization,
        "ensemble.size": len(spec.members),
        "ensemble.combine": spec.config.combine,
    }


def _make(spec: EnsembleSpec, store: Store, sweep_id: str) -> str:
    first = spec.members[0].run
    copied = (names.CLASSES, names.DATA_FINGERPRINT, names.VERSION, names.VERSIONS, names.STANDIN)
    tags = {
        **{name: first.tags[name] for name in copied if name in first.tags},
        names.SWEEP_ID: sweep_id,
        names.EVALUATION_KEY: spec.key,
        names.TRAINING_KIND: names.ENSEMBLE,
        names.BASELINE_RUN_ID: spec.baseline.run_id,
        names.ENSEMBLE_MEMBERS: json.dumps([each.run.run_id for each in spec.members]),
    }
    name = f"ensemble of {len(spec.members)} {spec.quantization}"
    with store.run(names.VARIANT, name, parent=sweep_id, tags=tags, params=_settings(spec)) as run_id:
        dataset = load_dataset(spec.members[0].spec.config.data)
        members = _members(spec, store)
        compared_with = StoredPredictions(store.artifacts.required(spec.baseline, names.PREDICTIONS_FILE))
        evaluation = _evaluate(spec, members, dataset.test, len(dataset.classes), compared_with)
        compared_with = StoredPredictions(store.artifacts.required(spec.baseline, names.VALIDATION_PREDICTIONS_FILE))
        validation = _evaluate(spec, members, dataset.validation, len(dataset.classes), compared_with)
        hashes = store.upload(run_id, score_files(evaluation, validation))
        compared = read_counts(store.artifacts.required(spec.baseline, names.CONFUSION_FILE))
        store.log(
            run_id,
            metrics={
                **score_metrics(evaluation, dataset.classes),
                **validation_metrics(validation),
                **deltas(evaluation, spec.baseline, compared),
                names.EVALUATE_SECONDS: evaluation.seconds,
                **_sums(spec),
            },
            tags={**hashes, **score_tags(dataset, evaluation.counts, validation.counts)},
        )
    return run_id


def _members(spec: EnsembleSpec, store: Store) -> list[EnsembleMember]:
    members = []
    for each in spec.members:
        content = store.artifacts.required(each.run, names.MODEL_FILE)
        # As the file says, and not as one data set does: members may be of trainings that normalized differently.
        said = read(content)
        assert said is not None
        normalization = Normalization(np.array(said.mean, np.float32), np.array(said.std, np.float32))
        members.append(EnsembleMember(TFLiteModel(content), normalization))
    return members


def _evaluate(
    spec: EnsembleSpec,
    members: Sequence[EnsembleMember],
    split: Split,
    classes: int,
    baseline: StoredPredictions | None = None,
) -> Evaluation:
    shape = split.image_shape
    predictor = EnsemblePredictor(members, _weights(spec.members, spec.config), spec.config.combine, shape)
    as_it_is = Normalization(np.zeros(shape[2], np.float32), np.ones(shape[2], np.float32), keeps_missing=True)
    try:
        return evaluate(
            predictor,
            split,
            as_it_is,
            classes,
            batch_size=_BATCH,
            baseline=baseline,
        )
    finally:
        predictor.close()


def _sums(spec: EnsembleSpec) -> Mapping[str, float]:
    """What a device would need: all files, one after the other."""
    summed = (names.SIZE_BYTES, names.GZIP_BYTES, names.LATENCY_P50, names.TRAIN_SECONDS)
    return {
        name: sum(each.run.metrics[name] for each in spec.members)
        for name in summed
        if all(name in each.run.metrics for each in spec.members)
    }
