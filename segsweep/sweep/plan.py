"""What a sweep would do, in words."""

import statistics
from collections.abc import Iterable, Sequence

from segsweep.durations import duration
from segsweep.errors import NoStoreError
from segsweep.lineage.specs import TrainingSpec
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.runs.run_names import training_name
from segsweep.sweep.ensembles import ensemble_remarks
from segsweep.sweep.found import finished_trainings, finished_variants
from segsweep.sweep.older_store import older_store_remarks
from segsweep.sweep.planned_steps import steps_text
from segsweep.sweep.points import Impossible, Point, data_remarks
from segsweep.sweep.waves import Job, waves
from segsweep.tracking import names
from segsweep.tracking.store import Store
from segsweep.training.optimizer_steps import optimizer_steps


def plan_text(points: Sequence[Point], jobs: Sequence[Job], impossible: Sequence[Impossible]) -> str:
    """How many jobs, trainings and variants, what of it is done, in which waves, and what cannot work and why."""
    first = points[0].config
    store = store_if_there(first.tracking.uri, first.tracking.experiment)
    variants = {spec.evaluation_key for job in jobs for spec in job.spec.variants}
    made = finished_variants(store, variants) if store is not None else {}
    trainings = {spec.key: spec for job in jobs for spec in job.spec.trainings}
    trained = finished_trainings(store, trainings) if store is not None else set()
    pending = [job for job in jobs if any(spec.evaluation_key not in made for spec in job.spec.variants)]
    merged = len(points) - len(jobs) - len(impossible)
    lines = [
        f"jobs       {len(jobs)}, {len(jobs) - len(pending)} done"
        + (f", {merged} equal ones merged" if merged else ""),
        f"variants   {len(variants)}, {sum(key in made for key in variants)} done",
    ]
    for kind in TRAINING_KINDS.values():
        keys = [key for key, spec in trainings.items() if spec.kind == kind.name]
        if keys:
            lines.append(f"trainings  {len(keys)} {kind.words}, {sum(key in trained for key in keys)} done")
            lines += [f"           {line}" for line in steps_text([trainings[key] for key in keys])]
    lines += _teachers(trainings.values(), store)
    for number, wave in enumerate(waves(pending, trained), start=1):
        lines.append(f"wave {number}     {len(wave)} jobs")
    missing = [spec for key, spec in trainings.items() if key not in trained]
    if missing:
        lines.append(f"time       {_estimate(missing, store)}")
    lines += [f"store      {remark}" for remark in older_store_remarks(store)]
    lines += [f"data       {remark}" for remark in data_remarks(points)]
    lines += [f"ensemble   {remark}" for remark in ensemble_remarks(jobs, points[0].config.ensemble)]
    if impossible:
        lines.append(f"cannot     {len(impossible)} combinations; sweep.skip_impossible=true leaves them out:")
        lines += [f"           {' '.join(each.job.overrides)}: {each.reason}" for each in impossible]
    if not pending:
        lines.append("Nothing to do: all of it is in the store.")
    return "\n".join(lines) + "\n"


def _teachers(trainings: Iterable[TrainingSpec], store: Store | None) -> list[str]:
    """A line for each network whose logits others learn from; a fine-tune's own float training has none."""
    students: dict[str, list[TrainingSpec]] = {}
    for spec in trainings:
        if spec.kind == "float" and spec.taught is not None:
            students.setdefault(spec.taught.key, []).append(spec)
    lines = []
    for key, taught in students.items():
        teacher = taught[0].taught.training if taught[0].taught is not None else None
        if teacher is not None:
            named = training_name(teacher)
        else:
            runs = store.with_key(names.TRAINING, names.TRAINING_KEY, key) if store is not None else []
            named = next((f"{run.name} (run {run.run_id})" for run in runs if run.is_finished), key)
        many = "1 training" if len(taught) == 1 else f"{len(taught)} trainings"
        lines.append(f"teacher    {named} teaches {many}")
    return lines


def store_if_there(uri: str, experiment: str) -> Store | None:
    """The store, or None where there is none yet: a plan makes nothing."""
    try:
        return Store.open_to_read(uri, experiment)
    except NoStoreError:
        return None


def _estimate(missing: Sequence[TrainingSpec], store: Store | None) -> str:
    """Hours of training to come, from the median seconds an epoch of earlier trainings of that model and width."""
    seconds: dict[tuple[str, str, str], list[float]] = {}
    for run in store.of_kind(names.TRAINING) if store is not None else []:
        spent, epochs = run.metrics.get(names.TRAIN_SECONDS), run.params.get("training.epochs")
        if spent is not None and epochs is not None:
            model = run.params.get("model.name", ""), run.params.get("model.width", "")
            seconds.setdefault((*model, run.tags.get(names.TRAINING_KIND, "")), []).append(spent / int(epochs))
    known = 0.0
    unknown = 0
    for spec in missing:
        found = seconds.get((spec.config.model.name, str(spec.config.model.width), spec.kind))
        if found is None:
            unknown += 1
        else:
            known += statistics.median(found) * optimizer_steps(spec.config.training, spec.images).epochs
    if unknown == len(missing):
        return "unknown: nothing like it was trained here yet"
    rest = f", and {unknown} trainings of which nothing is known" if unknown else ""
    return f"about {duration(known)} of training on one core{rest}"
