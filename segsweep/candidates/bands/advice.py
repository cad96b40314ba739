"""What to do about bands, in sentences with the very settings."""

from collections.abc import Sequence

from segsweep.candidates.bands.audit import LOST, Audit, Tried
from segsweep.candidates.bands.remedies import Remedy
from segsweep.candidates.trial import METRIC_WORDS
from segsweep.config.schema import JobConfig

_MOST_NAMED = 6


def advice(found: Audit, config: JobConfig, metric: str, writable: bool) -> str:
    """What is lost, what brings it back without training, and what a new training could do.

    Args:
        found: the audit.
        config: of the job.
        metric: what counts.
        writable: whether `--output` can write the better file.
    """
    words = found.verdicts(found.training.grids[0])
    lost = [name for name, word in zip(found.names, words, strict=True) if word == LOST]
    lines = [_state(found, lost)]
    best = found.best(metric)
    if best is found.tried[0]:
        lines.append("No other input that was tried makes a better file: there is nothing to change.")
    else:
        lines += _better(found, best, metric, writable=writable)
        verdicts = found.verdicts(found.grid_of(best))
        left = [name for name, word in zip(found.names, verdicts, strict=True) if word == LOST]
        if left:
            lines.append(f'In "{best.name}", {_listed(left)} would be lost.')
    if lost and getattr(config.data, "normalize", None) == "standard":
        lines.append(
            "With a new training: data.normalize=percentile makes all bands equally wide between their 2nd and 98th "
            "percentile."
        )
    return "\n".join(lines) + "\n"


def _better(found: Audit, best: Tried, metric: str, *, writable: bool) -> list[str]:
    """How to get the best file, and what settings alone can do where they cannot make it."""
    words = setting(best.file.remedy, found.percentile)
    if words:
        return [f"Set {words}: without training, {_gain(found, best, metric)}."]
    how = f'"{best.name}" has no setting' + ("; --output FILE writes it, with its normalization" * writable)
    lines = [f"{how}: {_gain(found, best, metric)}."]
    settable = [each for each in found.tried if setting(each.file.remedy, found.percentile)]
    other = max(settable, key=lambda each: each.agreement)
    if other.agreement > found.tried[0].agreement:
        words = setting(other.file.remedy, found.percentile)
        lines.append(f"By settings alone, {words}: {_gain(found, other, metric)}.")
    return lines


def _gain(found: Audit, better: Tried, metric: str) -> str:
    first = found.tried[0]
    return (
        f"{METRIC_WORDS[metric]} {first.score(metric):.4f} becomes {better.score(metric):.4f} (float32 "
        f"{found.exact_score(metric):.4f}) on validation images, and {better.agreement:.1%} of the predictions, not "
        f"{first.agreement:.1%}, are as in float32"
    )


def setting(remedy: Remedy, percentile: float) -> str:
    """By which settings a job does what a remedy does; empty where there are none."""
    if remedy.range is None or remedy.clip is not None or remedy.rescale is not None:
        return ""
    words = f"quantization.calibration.range={remedy.range}"
    return words + f" quantization.calibration.percentile={percentile:g}" * (remedy.range == "percentile")


def _state(found: Audit, lost: Sequence[str]) -> str:
    grid = found.training.grids[0]
    worst = int(grid.bits.argmin())
    coarsest = f"{found.names[worst]}, has {grid.bits[worst]:.1f} bits of 8"
    low, high = (float(end[0]) for end in found.tried[0].grid.ends)
    step = found.tried[0].grid.scale
    scale = f"one scale holds {low:.4g} to {high:.4g} for all {len(found.names)} bands, in steps of {step:.3g}"
    if not lost:
        return f"No band is lost; the coarsest, {coarsest}: {scale}."
    verb = "is" if len(lost) == 1 else "are"
    return f"{_listed(lost)} {verb} lost; the coarsest, {coarsest}: {scale}."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
