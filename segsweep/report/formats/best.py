"""Which cells of a column are the best."""

import pandas as pd

from segsweep.report.formats.cells import cell_text, is_missing
from segsweep.report.pareto import DIRECTIONS
from segsweep.report.scored_images import images_of


def best_rows(rows: pd.DataFrame, name: str, decimals: int | None) -> set[object]:
    """The labels of the rows whose number in a column is the best, as people read it: equal ones share the honour.

    Controls (fine-tunes in float) and failures are not considered, nor that a baseline agrees with itself; there is no
    best of one, or of a column without a direction. Of several sets of test images, each has its own.
    """
    if name not in DIRECTIONS:
        return set()
    candidates = rows[(rows["status"] == "FINISHED") & (rows["training_kind"] != "finetune")]
    if name == "agreement":
        candidates = candidates[candidates["quantization"] != "float32"]
    parts = [part for _, part in candidates.groupby(["data", images_of(candidates)], sort=False, dropna=False)]
    return set().union(*(_best_of(part, name, decimals) for part in parts))


def _best_of(candidates: pd.DataFrame, name: str, decimals: int | None) -> set[object]:
    numbers = {row: float(value) for row, value in candidates[name].items() if not is_missing(value)}
    if len(numbers) < 2:
        return set()
    best = (max if DIRECTIONS[name] == "maximize" else min)(numbers.values())
    shown = cell_text(name, best, decimals)
    return {row for row, value in numbers.items() if cell_text(name, value, decimals) == shown}
