"""What a fine-tune gained against its control, as metrics of its variant: the report reads numbers, not files."""

from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Gain:
    """What a gain is logged as."""

    accuracy: tuple[str, str, str]
    """Metrics: the difference and the ends of its interval."""
    mean_iou: tuple[str, str, str]
    against: str
    """Tag with the id of the control's run."""


AGAINST_CONTROL = Gain(
    (names.GAIN_ACCURACY, names.GAIN_ACCURACY_LOW, names.GAIN_ACCURACY_HIGH),
    (names.GAIN_MEAN_IOU, names.GAIN_MEAN_IOU_LOW, names.GAIN_MEAN_IOU_HIGH),
    names.GAIN_AGAINST,
)
AGAINST_TAUGHT_CONTROL = Gain(
    (names.TAUGHT_GAIN_ACCURACY, names.TAUGHT_GAIN_ACCURACY_LOW, names.TAUGHT_GAIN_ACCURACY_HIGH),
    (names.TAUGHT_GAIN_MEAN_IOU, names.TAUGHT_GAIN_MEAN_IOU_LOW, names.TAUGHT_GAIN_MEAN_IOU_HIGH),
    names.TAUGHT_GAIN_AGAINST,
)


def ensure_gain(variants: Iterable[VariantSpec], context: Context) -> None:
    """Log the gains of a job's variants after fine-tunes, unless they are known.

    A variant is compared with its control, and one that was taught also with the control that was taught alike; that
    control itself is compared with the other one.
    """
    specs = list(variants)
    of_controls = {
        (spec.variant.name, spec.training.taught is not None): context.found.get(spec.evaluation_key)
        for spec in specs
        if spec.training.kind == CONTROL
    }
    for spec in specs:
        if not TRAINING_KINDS[spec.training.kind].is_finetune:
            continue
        run, is_control = context.found.get(spec.evaluation_key), spec.training.kind == CONTROL
        name = spec.variant.name if is_control else controls_of(spec.variant)[-1]
        for gain, taught in ((AGAINST_CONTROL, False), (AGAINST_TAUGHT_CONTROL, True)):
            control = of_controls.get((name, taught))
            if run is None or control is None or (is_control and (taught or spec.training.taught is None)):
                continue
            if run.tags.get(gain.against) != control.run_id:
                log_gain(run, control, context.store, gain)


def log_gain(run: RunRecord, control: RunRecord, store: Store, gain: Gain = AGAINST_CONTROL) -> None:
    """Add to `run` what it gained against `control`, with the ends of 95 % intervals, and against which run.

    Where the test images are too few for an interval, there is none.

    Args:
        run: of the variant.
        control: of the variant that it is compared with.
        store: with both.
        gain: what it is logged as.

    Raises:
        StoreError: the confusion counts of a run are missing or damaged.
    """
    ours, theirs = (_counts(each, store) for each in (run, control))
    metrics: dict[str, float] = {}
    for score, (difference, low, high) in ((accuracies, gain.accuracy), (mean_ious, gain.mean_iou)):
        metrics[difference] = float(score(ours.total[None])[0] - score(theirs.total[None])[0])
        interval = paired_interval(ours, theirs, score, groups=ours.groups)
        if interval is not None:
            metrics |= {low: interval.low, high: interval.high}
    store.log(run.run_id, metrics=metrics, tags={gain.against: control.run_id})


def _counts(run: RunRecord, store: Store) -> ImageCounts:
    """(N, K, K) confusion counts."""
    return read_counts(store.artifacts.required(run, names.CONFUSION_FILE))
