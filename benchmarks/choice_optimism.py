"""By how much a test score is too good when the test images chose: the quickstart, over seeds, against fresh scenes.

python benchmarks/choice_optimism.py [--seeds 5] [--fresh 400] [--folder DIR]

For each seed, of network and data alike, the sweep runs once. The variant with the highest test mean IoU is chosen, and
the one with the highest validation mean IoU. Both files are scored on fresh scenes of the same generator, which no
choice has seen. The test score minus that score is the optimism. A folder that is kept finds the sweeps done.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data.synthetic_parcels import load
from segsweep.evaluation.evaluator import evaluate
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.store import Store

_FRESH_SEED = 1000
"""Added to a seed for scenes that no split of it holds."""


def main() -> None:
    """Run the sweeps, choose, score, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fresh", type=int, default=400, help="fresh scenes a seed")
    parser.add_argument("--folder", help="where the store is kept; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [measured(folder, seed, options.fresh) for seed in range(1, options.seeds + 1)]
    print("| seed | chosen by | variant | test mean IoU | on fresh scenes | optimism, points |")
    print("| ---: | --- | --- | ---: | ---: | ---: |")
    for seed, found in enumerate(rows, start=1):
        for split, (name, tested, fresh) in found.items():
            print(f"| {seed} | {split} | {name} | {tested:.4f} | {fresh:.4f} | {100 * (tested - fresh):+.2f} |")
    for split in ("test", "validation"):
        optimism = [100 * (found[split][1] - found[split][2]) for found in rows]
        fresh = [found[split][2] for found in rows]
        print(
            f"\nChosen by {split}: optimism {statistics.mean(optimism):+.2f} points on average "
            f"({min(optimism):+.2f} to {max(optimism):+.2f}), mean IoU on fresh scenes {statistics.mean(fresh):.4f}"
        )


def measured(folder: Path, seed: int, fresh: int) -> dict[str, tuple[str, float, float]]:
    """By the split that chooses: the variant, its test mean IoU, and that on fresh scenes."""
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    words = ["experiment=quickstart", f"seed={seed}", f"data.seed={seed}", f"tracking.experiment=seed{seed}"]
    words.append("evaluation.latency.enabled=false")
    program = [sys.executable, "-m", "segsweep.cli", "run", "-m", *words]
    subprocess.run(program, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    store = Store.open_to_read(f"sqlite:///{folder}/mlruns/mlflow.db", f"seed{seed}")
    runs = [run for run in store.of_kind(names.VARIANT) if run.tags[names.TRAINING_KIND] != "finetune"]
    own = load(SyntheticParcelsConfig(seed=seed))
    scenes = load(
        SyntheticParcelsConfig(seed=_FRESH_SEED + seed, train_images=1, validation_images=1, test_images=fresh)
    )
    found = {}
    for split, metric in (("test", names.MEAN_IOU), ("validation", names.VALIDATION_MEAN_IOU)):
        run = max(runs, key=lambda each: each.metrics[metric])
        model = TFLiteModel(store.artifacts.required(run, names.MODEL_FILE))
        scored = evaluate(model, scenes.test, own.normalization, len(own.classes))
        found[split] = run.name, run.metrics[names.MEAN_IOU], scored.scores.mean_iou
    return found


if __name__ == "__main__":
    main()
