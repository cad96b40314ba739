"""How long reports of a large store take: `python benchmarks/report_speed.py [ROWS]`, by default 2,000.

The store is made in a temporary folder, with as many settings, tags and metrics a run as a sweep logs. Each format is
timed in a process of its own, the imports of its libraries apart.
"""

import itertools
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from segsweep.sweep.members import members_file
from segsweep.tracking import names
from segsweep.tracking.records import Member
from segsweep.tracking.store import Store

_WIDTHS, _RATES = (4, 8, 16, 32), (0.001, 0.003, 0.01, 0.03)
_VARIANTS = (
    ("float32", "float"), ("float16", "float"), ("dynamic_range", "float"), ("weight_only_int8", "float"),
    ("int8", "float"), ("int16x8", "float"), ("qat_int8", "qat"), ("float32", "finetune"), ("int8", "finetune"),
)  # fmt: skip
_OTHER_SETTINGS, _OTHER_TAGS, _CLASSES = 58, 20, 2
_LIMITS = {"md": 5.0, "html": 10.0}
"""Seconds that a format may take for 2,000 rows."""

_TIMED = """
import sys, time
from segsweep.cli import main
import segsweep.report.verb, segsweep.report.certainty, segsweep.report.figures.table, segsweep.report.html.page
import segsweep.report.formats.table, segsweep.tracking.store
import jinja2, matplotlib.figure, matplotlib.backends.backend_svg, openpyxl, tabulate
uri, format_, output = sys.argv[1:]
started, worked = time.perf_counter(), time.process_time()
status = main(["report", "--tracking-uri", uri, "--format", format_, "--output", output, "--force"])
print(status, time.perf_counter() - started, time.process_time() - worked, file=sys.stderr)
"""


def main() -> None:
    """Make the store, time the formats, print a table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlruns/mlflow.db"
        make_store(uri, rows)
        print(
            f"{rows} rows\n\n| format | seconds | of the processor | aim | MiB |\n| --- | ---: | ---: | ---: | ---: |"
        )
        from segsweep.report.formats.table import FORMATS

        for name in FORMATS:
            output = Path(folder) / f"report.{name}"
            command = [sys.executable, "-c", _TIMED, uri, name, str(output)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            status, seconds, worked = done.stderr.split()[-3:]
            assert status == "0", done.stderr
            aim = f"{_LIMITS[name]:g}" if name in _LIMITS else ""
            size = output.stat().st_size / 2**20
            print(f"| {name} | {float(seconds):.2f} | {float(worked):.2f} | {aim} | {size:.2f} |", flush=True)


def make_store(uri: str, rows: int, experiment: str = "segsweep") -> str:
    """A store with one finished sweep of so many variant runs; the sweep's run id."""
    store = Store.open(uri, experiment)
    sweep_id = store.create_run(names.SWEEP, "synthetic", parent=None, tags={names.COMMAND: "segsweep run"}, params={})
    dice = random.Random(0)
    seeds = range(-(-rows // (len(_WIDTHS) * len(_RATES) * len(_VARIANTS))))
    combinations = itertools.islice(itertools.product(seeds, _WIDTHS, _RATES, _VARIANTS), rows)
    now = int(time.time() * 1000)
    members, made = [], []
    for seed, width, rate, (quantization, kind) in combinations:
        settings = {
            "data.name": "npz", "model.name": "strided_unet", "model.width": width, "training.learning_rate": rate,
            "seed": seed, "quantization.name": quantization,
            **{f"section.setting_{number}": number for number in range(_OTHER_SETTINGS)},
        }  # fmt: skip
        float_key, key = f"{seed}-{width}-{rate}", uuid.UUID(int=dice.getrandbits(128)).hex
        training_key = float_key if kind == "float" else f"{float_key}-{kind}"
        run_id = uuid.UUID(int=dice.getrandbits(128)).hex
        members.append(Member(key, training_key, kind, True, settings, run_id, "FINISHED"))
        tags = {
            names.KIND: names.VARIANT, names.EVALUATION_KEY: key, names.TRAINING_KEY: training_key,
            names.TRAINING_KIND: kind, names.SWEEP_ID: sweep_id,
            names.DATA_FINGERPRINT: json.dumps({"train": "a", "validation": "b", "test": "c"}),
            **{f"segsweep.sha256/artifact_{number}": "0" * 64 for number in range(_OTHER_TAGS)},
        }  # fmt: skip
        if kind != "float":
            tags[names.PARENT_TRAINING_KEY] = float_key
        made.append((run_id, quantization, settings, tags, _metrics(dice, width, quantization)))
    with sqlite3.connect(store.location.database or "") as connection:
        _insert(connection, made, now)
    store.add_artifacts(sweep_id, {names.MEMBERS_FILE: members_file(members)})
    store.finish(sweep_id, "FINISHED")
    return sweep_id


def _metrics(dice: random.Random, width: int, quantization: str) -> dict[str, float]:
    delta = 0.0 if quantization == "float32" else dice.gauss(-0.004, 0.004)
    iou = 0.7 + width / 300 + dice.gauss(0, 0.01)
    per_class = {
        f"{stem}_class {number}": dice.random()
        for stem in (names.IOU, names.DICE, names.PRECISION, names.RECALL, names.BOUNDARY_IOU)
        for number in range(_CLASSES)
    }
    return {
        names.ACCURACY: iou + 0.1, names.MEAN_IOU: iou, names.MEAN_DICE: iou + 0.05, names.AGREEMENT: 0.99,
        names.DELTA_ACCURACY: delta, names.DELTA_ACCURACY_LOW: delta - 0.005, names.DELTA_ACCURACY_HIGH: delta + 0.005,
        names.DELTA_MEAN_IOU: delta, names.DELTA_MEAN_IOU_LOW: delta - 0.005, names.DELTA_MEAN_IOU_HIGH: delta + 0.005,
        names.SIZE_BYTES: 50_000 * width, names.GZIP_BYTES: 40_000 * width, names.LATENCY_P50: 0.1 * width,
        names.LATENCY_P95: 0.2 * width, names.TRAIN_SECONDS: 20.0, names.EXPORT_SECONDS: 1.0,
        names.EVALUATE_SECONDS: 1.0, names.INVOKE_SECONDS: 1.0, names.LATENCY_SECONDS: 1.0, **per_class,
    }  # fmt: skip


def _insert(connection: sqlite3.Connection, made: list[tuple], now: int) -> None:  # type: ignore[type-arg]
    """All runs at once: logged one by one they would take a minute."""
    experiment, root = connection.execute(
        "SELECT experiment_id, artifact_location FROM experiments WHERE name != 'Default'"
    ).fetchone()
    connection.executemany(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
        "end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
        "VALUES (?, ?, 'UNKNOWN', '', '', 'somebody', 'FINISHED', ?, ?, '', 'active', ?, ?)",
        [
            (run_id, f"strided_unet {name}", now + number, now + number, f"{root}/{run_id}/artifacts", experiment)
            for number, (run_id, name, *_) in enumerate(made)
        ],
    )
    connection.executemany(
        "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
        [(key, str(value), run_id) for run_id, _, settings, _, _ in made for key, value in settings.items()],
    )
    connection.executemany(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
        [(key, value, run_id) for run_id, _, _, tags, _ in made for key, value in tags.items()],
    )
    connection.executemany(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, 0, 0, ?)",
        [(key, value, now, run_id) for run_id, _, _, _, metrics in made for key, value in metrics.items()],
    )


if __name__ == "__main__":
    main()
