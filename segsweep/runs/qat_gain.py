"""What a fine-tune gained against its control, as metrics of its variant: the report reads numbers, not files."""

from collections.abc import Iterable

from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import accuracies, mean_ious
from segsweep.evaluation.image_counts import ImageCounts, read_counts
from segsweep.lineage.jobs import controls_of
from segsweep.lineage.specs import VariantSpec
from segsweep.quantization.training_kinds import CONTROL, TRAINING_KINDS
from segsweep.runs.context import Context
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_SCORES = (
    (accuracies, (names.GAIN_ACCURACY, names.GAIN_ACCURACY_LOW, names.GAIN_ACCURACY_HIGH)),
    (mean_ious, (names.GAIN_MEAN_IOU, names.GAIN_MEAN_IOU_LOW, names.GAIN_MEAN_IOU_HIGH)),
)


def ensure_gain(variants: Iterable[VariantSpec], context: Context) -> None:
    """Log the gain of a job's variants after a fine-tune against its control, where it has one, unless it is known."""
    specs = list(variants)
    controls = {
        spec.variant.name: context.found.get(spec.evaluation_key) for spec in specs if spec.training.kind == CONTROL
    }
    for spec in specs:
        if spec.training.kind == CONTROL or not TRAINING_KINDS[spec.training.kind].is_finetune:
            continue
        run, control = context.found.get(spec.evaluation_key), controls.get(controls_of(spec.variant)[-1])
        if run is not None and control is not None and run.tags.get(names.GAIN_AGAINST) != control.run_id:
            log_gain(run, control, context.store)


def log_gain(run: RunRecord, control: RunRecord, store: Store) -> None:
    """Add to `run` what it gained against `control`, with the ends of 95 % intervals, and against which run.

    Where the test images are too few for an interval, there is none.

    Raises:
        StoreError: the confusion counts of a run are missing or damaged.
    """
    ours, theirs = (_counts(each, store) for each in (run, control))
    metrics: dict[str, float] = {}
    for score, (difference, low, high) in _SCORES:
        metrics[difference] = float(score(ours.total[None])[0] - score(theirs.total[None])[0])
        interval = paired_interval(ours, theirs, score, groups=ours.groups)
        if interval is not None:
            metrics |= {low: interval.low, high: interval.high}
    store.log(run.run_id, metrics=metrics, tags={names.GAIN_AGAINST: control.run_id})


def _counts(run: RunRecord, store: Store) -> ImageCounts:
    """(N, K, K) confusion counts."""
    return read_counts(store.artifacts.required(run, names.CONFUSION_FILE))
