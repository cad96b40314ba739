"""Whether validation still rose when a training ended. Imports no TensorFlow."""

from collections.abc import Sequence

import numpy as np

from segsweep.training.history import VALIDATION_MEAN_IOU, EpochReport

SHARE = 5
"""One in so many epochs are the last ones, and as many those before them."""
LEAST_EPOCHS = 15
"""Shorter trainings, of which less than 3 epochs would be the last ones, are not judged."""
LEAST_RISE = 0.01
"""Rises below this are what cosine schedules bring as the rate comes to 0, also where more epochs would not help."""
NOISE = 2.0
"""How many standard errors a rise must have."""


def late_rise(history: Sequence[EpochReport]) -> float | None:
    """By how much the mean IoU of the validation rose in the last fifth of the epochs of the last phase, 0..1.

    It is the mean over these epochs minus the mean over as many before. The best epoch alone says little: where the
    learning rate goes to 0, it is among the last ones however long the training is.

    Returns:
        None where the rise is below `LEAST_RISE` or within the noise, where there are too few epochs to tell, and where
        the training stopped before its last epoch.
    """
    phase = [report for report in history if report.phase == history[-1].phase]
    if len(phase) < LEAST_EPOCHS or phase[-1].epoch < phase[-1].epochs:
        return None
    values = [report.metrics[VALIDATION_MEAN_IOU] for report in phase]
    count = len(values) // SHARE
    before, last = np.array(values[-2 * count : -count]), np.array(values[-count:])
    rise = float(last.mean() - before.mean())
    # Around a straight line in each window: the rise itself is no noise.
    squares = sum(_squares_around_a_line(window) for window in (before, last))
    error = float(np.sqrt(squares / max(1, 2 * count - 4) * 2 / count))
    return rise if rise > max(LEAST_RISE, NOISE * error) else None


def _squares_around_a_line(values: np.ndarray) -> float:
    """Sum of squared residuals of the straight line of least squares."""
    places = np.arange(len(values))
    return float(np.sum((values - np.polyval(np.polyfit(places, values, 1), places)) ** 2))
