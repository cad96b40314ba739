"""Makes and scores the files of one set of weights, in a process of its own; what is there already is left alone."""

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from quality_table import rows
from quality_table.planning import Plan, plan_of
from quality_table.weight_sets import WeightSet
from segsweep.errors import SegsweepError, reason_of
from segsweep.evaluation.evaluator import evaluate
from segsweep.lineage.specs import TrainingSpec, VariantSpec
from segsweep.progress import Reporter
from segsweep.quiet import quiet
from segsweep.runs.calibration_images import calibration_images
from segsweep.runs.context import Context
from segsweep.runs.trained_models import load_model
from segsweep.runs.training_run import ensure_training
from segsweep.runs.variant_run import ensure_variant
from segsweep.tflite.census import census, stored_weights
from segsweep.tflite.flatbuffer import unpack
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.store import Store

_CHOICES = {"ranges": names.RANGES, "correction": names.CORRECTION, "keeps its start": names.KEEPS_START}
"""By what to call it, the tags of a variant that say what was selected for it."""


def missing(plan: Plan, folder: Path) -> list[str]:
    """Names of the rows that a set does not have yet; those of segsweep's that were refused are tried again."""
    found = []
    for name, key in plan.keys.items():
        row = rows.load(name, key, folder)
        if row is None or (row.refused is not None and name in plan.ours):
            found.append(name)
    if plan.entry.is_timed and rows.load(rows.STEP_TIMES, plan.keys[rows.QAT], folder) is None:
        found.append(rows.STEP_TIMES)
    return found


def measure(entry: WeightSet, work: Path, real: Path | None, uri: str) -> list[str]:
    """Make the rows of a set that are missing. Returns what failed, a line each."""
    with quiet(work / "logs" / f"{entry.name}.log"):
        try:
            worker = _Worker(plan_of(entry, work, real, uri), work / "rows" / entry.name, uri)
            return worker.run()
        except Exception as error:
            traceback.print_exc()
            return [f"{entry.name}: {reason_of(error)}"]


class _Worker:
    """One set of weights, its store, and the networks that are loaded."""

    def __init__(self, plan: Plan, folder: Path, uri: str) -> None:
        self._plan, self._folder = plan, folder
        progress = Reporter(None, 0, plan.entry.name)
        self._context = Context(Store.open(uri, "quality"), plan.dataset, plan.config.sweep, progress)

    def run(self) -> list[str]:
        """Make the missing rows; returns what failed."""
        from segsweep.training.runtime import clear_session

        wanted, failed = missing(self._plan, self._folder), []
        makers: Iterable[tuple[str, Callable[[], rows.Row]]] = [
            *((name, lambda name=name: self._ours(name)) for name in self._plan.ours if name in self._plan.keys),
            *((name, lambda name=name: self._rival(name)) for name in self._plan.keys if name not in self._plan.ours),
            (rows.STEP_TIMES, self._step_times),
        ]
        for name, make in makers:
            if name not in wanted:
                continue
            started = time.perf_counter()
            try:
                row = make()
            except Exception as error:
                traceback.print_exc()
                if name == rows.STEP_TIMES or name == rows.FLOAT32:
                    return [*failed, f"{self._plan.entry.name}: {name}: {reason_of(error)}"]
                if name in self._plan.ours:
                    failed.append(f"{self._plan.entry.name}: {name}: {reason_of(error)}")
                elif not isinstance(error, ValueError | RuntimeError | SegsweepError):
                    return [*failed, f"{self._plan.entry.name}: {name}: {reason_of(error)}"]
                row = rows.Row(name, self._plan.keys[name], refused=reason_of(error))
            facts = {**row.facts, "made_seconds": time.perf_counter() - started}
            rows.save(replace(row, facts=facts), self._folder)
        self._context.models.clear()
        clear_session()
        return failed

    def _ours(self, name: str) -> rows.Row:
        spec = self._plan.ours[name]
        record = ensure_variant(spec, self._context)
        training = ensure_training(spec.training, self._context)
        content = self._context.store.artifacts.required(record, names.MODEL_FILE)
        facts: dict[str, Any] = {"export_seconds": record.metrics.get(names.EXPORT_SECONDS)}
        if names.TRAIN_STEP_SECONDS in training.metrics and names.RESUMED not in training.tags:
            settings = spec.training.config.training
            steps = settings.epochs * -(-len(self._plan.dataset.train) // settings.batch_size)
            facts["step_seconds"] = training.metrics[names.TRAIN_STEP_SECONDS] / steps
        facts["best_epoch"] = training.metrics.get(names.BEST_EPOCH)
        facts["epochs"] = spec.training.config.training.epochs
        facts["learning_rate"] = spec.training.config.training.learning_rate
        facts["chosen"] = {word: record.tags[tag] for word, tag in _CHOICES.items() if tag in record.tags}
        return self._scored(name, content, facts)

    def _rival(self, name: str) -> rows.Row:
        base, fine_tune = self._plan.ours[rows.FLOAT32], self._plan.ours[rows.QAT].training
        self._trained(base)
        images = calibration_images(self._plan.calibration_images, self._plan.dataset, base.size)
        started, facts = time.perf_counter(), {}
        if name == rows.LIBRARY:
            from quality_table.rivals import library_int8

            record = self._context.found[base.evaluation_key]
            float_file = self._context.store.artifacts.required(record, names.MODEL_FILE)
            content = library_int8(float_file, images)
        elif name == rows.CONVERTER:
            from quality_table.rivals import converter_int8

            content = converter_int8(self._float_model(base.training, base.size), images)
        else:
            from quality_table.rivals import stock_qat

            content, facts = stock_qat(
                lambda size: self._float_model(base.training, size),
                fine_tune,
                base.size,
                self._plan.dataset,
                images if name == rows.MENDED_QAT else None,
            )
        facts["export_seconds"] = time.perf_counter() - started
        return self._scored(name, content, facts)

    def _trained(self, base: VariantSpec) -> None:
        ensure_variant(base, self._context)
        ensure_training(base.training, self._context)

    def _float_model(self, spec: TrainingSpec, size: tuple[int, int]) -> Any:
        return load_model(spec, self._context, size)

    def _scored(self, name: str, content: bytes, facts: dict[str, Any]) -> rows.Row:
        dataset = self._plan.dataset
        counts = {}
        for split in ("test", "validation"):
            model = TFLiteModel(content)
            found = evaluate(model, getattr(dataset, split), dataset.normalization, len(dataset.classes))
            counts[split] = found.counts
        unpacked = unpack(content)
        facts["size_bytes"] = len(content)
        facts["weight_bytes"] = sum(
            len(unpacked.buffers[tensor.buffer].data) for _, tensor, _ in stored_weights(unpacked)
        )
        compute = census(content).compute
        facts["float_operators"] = sum(op.activations == "float32" for op in compute)
        four_bits = sum(op.weight_count for op in compute if op.weights == "int4")
        facts["four_bit_share"] = four_bits / sum(op.weight_count for op in compute)
        return rows.Row(name, self._plan.keys[name], None, facts, **counts)

    def _step_times(self) -> rows.Row:
        """Seconds of a step on batches in memory: medians of steps that take turns."""
        from segsweep.data.batches import training_batches
        from segsweep.training.losses import build_loss
        from segsweep.training.optimizers import build_optimizer
        from segsweep.training.steps import TrainStep

        dataset, steps = self._plan.dataset, {}
        for name in (rows.CONTROL_FLOAT32, rows.QAT):
            spec = self._plan.ours[name].training
            ensure_training(spec, self._context)
            model = load_model(spec, self._context, spec.size)
            loss = build_loss(spec.config.loss, classes=len(dataset.classes), class_frequencies=None)
            steps[name] = TrainStep(model, build_optimizer(spec.config.training), loss)
        training = spec.config.training
        batches = list(
            training_batches(
                dataset.train,
                dataset.normalization,
                size=spec.size,
                batch_size=training.batch_size,
                augmentation=training.augmentation,
                seed=0,
                epoch=0,
            )
        )
        batches = [batch for batch in batches if len(batch[0]) == len(batches[0][0])]
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(8):
            for name, step in steps.items():
                for images, labels in batches[:6]:
                    started = time.perf_counter()
                    step(images, labels, 1e-5)
                    step.metrics()
                    if turn:  # the first turn warms up
                        taken[name].append(time.perf_counter() - started)
        medians = {name: float(np.median(values)) for name, values in taken.items()}
        facts = {"float_ms": 1e3 * medians[rows.CONTROL_FLOAT32], "qat_ms": 1e3 * medians[rows.QAT]}
        return rows.Row(rows.STEP_TIMES, self._plan.keys[rows.QAT], "no file", facts)
