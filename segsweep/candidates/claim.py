"""What a search claims: the chosen file scored once on the test images, against the float file."""

from dataclasses import dataclass, field

from segsweep.candidates.problem import Problem
from segsweep.candidates.source import Source
from segsweep.candidates.trial import METRIC_WORDS, METRICS, Candidate, make
from segsweep.evaluation.bootstrap import Interval, paired_interval
from segsweep.evaluation.evaluator import Evaluation, evaluate
from segsweep.evaluation.stored_predictions import StoredPredictions, stored
from segsweep.quantization.recipe import Recipe
from segsweep.tflite.interpreter import TFLiteModel


@dataclass(frozen=True)
class Claim:
    """A file on the test images."""

    content: bytes = field(repr=False)
    evaluation: Evaluation = field(repr=False)
    exact: Evaluation = field(repr=False)
    """Of the float file."""

    def score(self, metric: str) -> float:
        """Of the file."""
        return float(getattr(self.evaluation.scores, metric))

    def change(self, metric: str) -> Interval | None:
        """Against the float file, with its 95 % interval; None where the images are too few for one."""
        return paired_interval(
            self.evaluation.counts, self.exact.counts, METRICS[metric], groups=self.exact.counts.groups
        )


def claim(recipe: Recipe, problem: Problem, source: Source) -> Claim:
    """Score the file that a recipe makes on the whole test split."""
    content = make(Candidate(recipe), problem)
    exact = _evaluated(problem.float_model, source)
    return Claim(content, _evaluated(content, source, StoredPredictions(stored(exact.predictions))), exact)


def claim_text(found: Claim, images: int) -> str:
    """In words, a line for each metric."""
    lines = []
    for metric, words in METRIC_WORDS.items():
        change = found.change(metric)
        exact = float(getattr(found.exact.scores, metric))
        against = "" if change is None else f", {change.difference:+.4f} ({change.low:+.4f} to {change.high:+.4f})"
        lines.append(f"On {images} test images: {words} {found.score(metric):.4f}, float32 {exact:.4f}{against}.")
    what = "images" if found.evaluation.boundary is None else "pixels"
    lines.append(f"{found.evaluation.agreement:.4f} of the {what} have the same class as float32 gives them.")
    return "\n".join(lines) + "\n"


def _evaluated(content: bytes, source: Source, baseline: StoredPredictions | None = None) -> Evaluation:
    dataset = source.dataset
    return evaluate(
        TFLiteModel(content), dataset.test, source.normalization, len(dataset.classes), baseline=baseline
    )  # fmt: skip
