"""Which teacher each point of a sweep has: looked up before anything starts."""

from collections.abc import Sequence
from dataclasses import replace

from segsweep.config.schema import JobConfig, QuantizationConfig
from segsweep.config.training_schema import WIDEST
from segsweep.data.sources import load_dataset
from segsweep.errors import ConfigError, StoreError
from segsweep.lineage.jobs import lineage
from segsweep.runs.stored_teachers import StoredTeacher, check_teacher, find_teacher
from segsweep.sweep.points import Point
from segsweep.tracking.store import Store


def with_teachers(points: Sequence[Point]) -> list[Point]:
    """The points, each with the width or the training key of its teacher; the widest ones have none.

    Raises:
        ConfigError: a teacher is not there, does not fit, or is no wider than what it is to teach.
    """
    widths: dict[str, set[int]] = {}
    for point in points:
        widths.setdefault(_but_width(point.config), set()).add(point.config.model.width)
    stored: dict[str, StoredTeacher] = {}
    return [_with_teacher(point, widths[_but_width(point.config)], stored) for point in points]


def _with_teacher(point: Point, widths: set[int], stored: dict[str, StoredTeacher]) -> Point:
    """One point with its teacher; `widths` are those of the sweep with the same other settings, `stored` the runs that
    were looked up so far, by what was given."""
    training, width = point.config.training, point.config.model.width
    if training.teacher is None:
        return point
    if training.teacher_weight == 0:
        return _untaught(point)
    if training.teacher == WIDEST:
        if training.teacher_width is None and len(widths) == 1:
            raise ConfigError(
                "training.teacher=widest: the sweep has no other model.width with the same other settings; give "
                "several, or the teacher's as training.teacher_width"
            )
        widest = training.teacher_width or max(widths)
        if width > widest:
            raise ConfigError(f"model.width={width} is wider than its teacher, training.teacher_width={widest}")
        return _untaught(point) if width == widest else _changed(point, teacher_width=widest)
    try:
        if training.teacher not in stored:
            tracking = point.config.tracking
            stored[training.teacher] = find_teacher(
                Store.open_to_read(tracking.uri, tracking.experiment), training.teacher
            )
        teacher = stored[training.teacher]
        _require_fit(teacher, point)
    except (ConfigError, StoreError) as error:
        raise ConfigError(f"training.teacher={training.teacher}: {error}") from error
    return _changed(point, teacher=teacher.training.run_id, teacher_key=teacher.key)


def _require_fit(teacher: StoredTeacher, point: Point) -> None:
    dataset = load_dataset(point.config.data)
    training = lineage(_untaught(point).config, dataset).asked.training.root
    if training.key == teacher.key:
        raise ConfigError("it is the same training as the one that it is to teach; give one with other settings")
    check_teacher(teacher, dataset, training.size)


def _untaught(point: Point) -> Point:
    return _changed(point, teacher=None, teacher_width=None)


def _changed(point: Point, **changes: str | int | None) -> Point:
    """The point with other settings of its training, also in its overrides, which other launchers compose anew."""
    # Quoted: some ids would be read as numbers.
    shown = {name: f"'{value}'" if isinstance(value, str) else value for name, value in changes.items()}
    words = [f"++training.{name}={'null' if value is None else value}" for name, value in shown.items()]
    config = replace(point.config, training=replace(point.config.training, **changes))  # type: ignore[arg-type]
    return Point((*point.overrides, *words), config)


def _but_width(config: JobConfig) -> str:
    """Equal for settings that differ in their width, in what is made of the weights, and in the teacher alone."""
    training = replace(config.training, teacher=None, teacher_weight=1.0, teacher_width=None)
    return repr(
        replace(config, model=replace(config.model, width=0), training=training, quantization=QuantizationConfig())
    )
