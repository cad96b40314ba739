"""Applies corrections to a float file, by name or as validation images say.

`auto` corrects a file only where there is something to correct: it is below float32 beyond noise on validation
images, or gives a class other than float32's to more than 1 % of the pixels. It tries equalization, and bias
correction of the better file. Weight rounding takes far longer: it is tried where that still holds, and the network
has at most a million weights to round. The selection is that of `quantization.calibration.range=auto`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import count_confusions
from segsweep.quantization.corrections.bias_correction import correct_biases
from segsweep.quantization.corrections.equalization import equalize
from segsweep.quantization.corrections.float_graph import FloatGraph
from segsweep.quantization.corrections.layer_by_layer import Corrected
from segsweep.quantization.corrections.settings import BIAS, EQUALIZE, NAMES, NONE, ROUND
from segsweep.quantization.corrections.weight_rounding import Rounding, round_weights
from segsweep.quantization.post_training import Calibration
from segsweep.quantization.range_selection import METRICS, Candidate, Selection, SelectionImages, select, trials_csv

BIAS_IMAGES = 16
"""Calibration images that biases are corrected on, at most: means need few."""
LOW_AGREEMENT = 0.99
"""Share of the pixels with float32's class, below which `auto` tries to correct a file."""
MOST_WEIGHTS = 1_000_000
"""Of a network whose weights `auto` tries to round."""


@dataclass(frozen=True)
class Correction:
    """Makes corrected files of one float file."""

    float_model: bytes = field(repr=False)
    calibration: Calibration = field(repr=False)
    """Of the float file."""
    images: np.ndarray = field(repr=False)
    """(N, H, W, C) float32, normalized: the calibration images."""
    calibrate: Callable[[bytes], Calibration] = field(repr=False)
    """The calibration of another float file by the same rules."""
    quantize: Callable[[bytes, Calibration], bytes] = field(repr=False)
    """Makes the integer file."""
    quantize_plain: Callable[[bytes, Calibration], bytes] | None = field(default=None, repr=False)
    """Makes that of weights which are rounded already, with nothing clipped; None: `quantize` clips nothing either."""
    seed: int = 0
    """Of the draws of weight rounding."""


@dataclass(frozen=True)
class CorrectedFile:
    """A float file after some corrections, and the integer file that is made of it."""

    content: bytes = field(repr=False)
    """The integer file."""
    float_model: bytes = field(repr=False)
    calibration: Calibration = field(repr=False)
    quantize: Callable[[bytes, Calibration], bytes] = field(repr=False)
    """What makes the integer file of the float file."""
    names: tuple[str, ...] = ()
    """The corrections that changed something, in the order in which they were applied."""
    reasons: tuple[str, ...] = ()
    """Why others changed nothing."""


@dataclass(frozen=True)
class SelectedCorrection:
    """What `auto` found."""

    file: CorrectedFile
    selections: tuple[Selection, ...] = field(repr=False)
    """One for each stage; the file that one takes is the first candidate of the next."""
    metric: str

    def table(self) -> bytes:
        """All trials as CSV."""
        lines = []
        for stage, selection in enumerate(self.selections, start=1):
            header, *rows = trials_csv(selection, ["correction"], self.metric).decode().splitlines()
            lines += [f"stage,{header}"] if stage == 1 else []
            lines += [f"{stage},{row}" for row in rows]
        return "".join(f"{line}\n" for line in lines).encode()


def plain(correction: Correction) -> CorrectedFile:
    """The integer file without any correction."""
    content = correction.quantize(correction.float_model, correction.calibration)
    return CorrectedFile(content, correction.float_model, correction.calibration, correction.quantize)


def corrected(correction: Correction, names: Sequence[str], start: CorrectedFile | None = None) -> CorrectedFile:
    """The file after corrections, which are applied in the order of `NAMES`, whatever the order of `names`.

    Args:
        correction: of the file.
        names: of `NAMES`.
        start: a file to go on with; None: the one without corrections.
    """
    file = start or plain(correction)
    for name in NAMES:
        if name in names:
            file = _APPLY[name](correction, file)
    return file


def select_correction(correction: Correction, judged: SelectionImages, possible: Sequence[str]) -> SelectedCorrection:
    """The file that validation images prefer.

    Args:
        correction: of the file.
        judged: what the files are scored on.
        possible: the corrections that may be tried.
    """
    selections: list[Selection] = []

    def better(files: Sequence[tuple[CorrectedFile, Sequence[str]]]) -> CorrectedFile:
        """The best of what corrections make of files."""
        selection, taken = _selected(correction, files, judged)
        selections.append(selection)
        return taken

    taken = first = better([(plain(correction), ())])
    if _is_unlike_float(selections[-1], judged):
        if EQUALIZE in possible:
            first = better([(first, ()), (first, (EQUALIZE,))])
        taken = better([(first, ()), (first, (BIAS,))])
        if ROUND in possible and _is_small(correction) and _is_unlike_float(selections[-1], judged):
            taken = better([(taken, ()), (first, (ROUND,)), (first, (ROUND, BIAS))])
    return SelectedCorrection(taken, tuple(selections), judged.metric)


def _selected(
    correction: Correction, files: Sequence[tuple[CorrectedFile, Sequence[str]]], judged: SelectionImages
) -> tuple[Selection, CorrectedFile]:
    made: dict[int, CorrectedFile] = {}

    def make(place: int) -> bytes:
        start, names = files[place]
        made[place] = _continued(correction, start, names, list(made.values()))
        return made[place].content

    candidates = [
        Candidate((" ".join((*start.names, *names)) or NONE,), lambda place=place: make(place))  # type: ignore[misc]
        for place, (start, names) in enumerate(files)
    ]
    selection = select(candidates, judged)
    return selection, made[selection.place]


def _continued(
    correction: Correction, start: CorrectedFile, names: Sequence[str], made: Sequence[CorrectedFile]
) -> CorrectedFile:
    """A file after more corrections; those that were made of it before are not made again."""
    for earlier in made:
        done = len(start.names)
        if names and earlier.names[:done] == start.names and earlier.names[done:] == tuple(names[:-1]) != ():
            return corrected(correction, names[-1:], earlier)
    return corrected(correction, names, start)


def _is_small(correction: Correction) -> bool:
    """Whether the network is small enough to round its weights."""
    graph = FloatGraph(correction.float_model)
    return sum(graph.weights(each).size for each in graph.weighted) <= MOST_WEIGHTS


def _is_unlike_float(selection: Selection, judged: SelectionImages) -> bool:
    """Whether the file that is taken is so far from float32 that a correction may help."""
    taken = selection.taken
    assert taken.by_image is not None
    exact = count_confusions(judged.labels, judged.reference, judged.classes)
    loss = paired_interval(taken.by_image, exact, METRICS[judged.metric], groups=judged.groups)
    is_below = loss is not None and loss.difference < 0 and not loss.is_within_noise
    return is_below or taken.agreement < LOW_AGREEMENT


def _equalized(correction: Correction, file: CorrectedFile) -> CorrectedFile:
    found = equalize(file.float_model)
    return _after(file, EQUALIZE, found, correction.calibrate) if found.layers else _without(file, found)


def _rounded(correction: Correction, file: CorrectedFile) -> CorrectedFile:
    found = round_weights(
        file.float_model,
        correction.images,
        lambda float_model: file.quantize(float_model, file.calibration),
        Rounding(seed=correction.seed),
    )
    # The weights bring their scales with them: no algorithm may look for others.
    file = replace(file, quantize=correction.quantize_plain or file.quantize)
    return _after(file, ROUND, found) if found.layers else _without(file, found)


def _unbiased(correction: Correction, file: CorrectedFile) -> CorrectedFile:
    found = correct_biases(
        file.float_model,
        correction.images[:BIAS_IMAGES],
        lambda float_model: file.quantize(float_model, file.calibration),
    )
    return _after(file, BIAS, found) if found.layers else _without(file, found)


def _after(
    file: CorrectedFile, name: str, found: Corrected, calibrate: Callable[[bytes], Calibration] | None = None
) -> CorrectedFile:
    # Weights and biases are corrected for steps that stay as they are; equalization changes what all activations are.
    calibration = file.calibration if calibrate is None else calibrate(found.float_model)
    return replace(
        file,
        content=file.quantize(found.float_model, calibration),
        float_model=found.float_model,
        calibration=calibration,
        names=(*file.names, name),
    )


def _without(file: CorrectedFile, found: Corrected) -> CorrectedFile:
    return replace(file, reasons=(*file.reasons, found.reason or ""))


_APPLY: Mapping[str, Callable[[Correction, CorrectedFile], CorrectedFile]] = {
    EQUALIZE: _equalized,
    ROUND: _rounded,
    BIAS: _unbiased,
}
