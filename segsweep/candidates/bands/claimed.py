"""What the test images say of the better file: once, when the choice is made."""

import numpy as np

from segsweep.candidates.bands.audit import Audit
from segsweep.candidates.source import Source
from segsweep.candidates.trial import METRIC_WORDS, METRICS
from segsweep.data.dataset import Normalization, sources_of
from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.evaluator import Evaluation, evaluate
from segsweep.tflite.interpreter import TFLiteModel


def claimed_text(found: Audit, source: Source, metric: str) -> str:
    """The file as a job makes it and the better one on the whole test split, a line each."""
    files = list(dict.fromkeys([found.tried[0], found.best(metric)]))
    exact = _evaluated(source.float_model, source, np.ones(len(found.names)))
    images = len(sources_of(source.dataset.test))
    lines = [f"On {images} test images: {METRIC_WORDS[metric]} of float32 {getattr(exact.scores, metric):.4f}."]
    for each in files:
        scored = _evaluated(each.file.content, source, each.file.factors)
        interval = paired_interval(scored.counts, exact.counts, METRICS[metric], groups=exact.counts.groups)
        change = ""
        if interval is not None:
            change = f", {interval.difference:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
        lines.append(f"{each.name}: {getattr(scored.scores, metric):.4f}{change}.")
    return "\n".join(lines) + "\n"


def _evaluated(content: bytes, source: Source, factors: np.ndarray) -> Evaluation:
    normalization = source.normalization
    rescaled = Normalization(normalization.mean, (normalization.std / factors).astype(np.float32))
    return evaluate(TFLiteModel(content), source.dataset.test, rescaled, len(source.dataset.classes))
