"""The run of a search, under the training whose float file it started from."""

import argparse
import json
from collections.abc import Mapping

from segsweep import __version__
from segsweep.candidates.claim import Claim
from segsweep.candidates.goal import Found
from segsweep.candidates.search_latency import CHOSEN
from segsweep.candidates.search_text import front_text, search_figure, search_json
from segsweep.candidates.source import Source
from segsweep.config.job_config import parameters, to_yaml
from segsweep.config.keys import environment
from segsweep.evaluation.latency import Latency, cpu_name
from segsweep.report.figures.rendering import render
from segsweep.tracking import names
from segsweep.tracking.liveness import host

_FOLDER = "search"


def log_search(
    found: Found, claimed: Claim, latencies: Mapping[str, Latency], source: Source, options: argparse.Namespace
) -> str:
    """Log what was found; return the id of the run."""
    store, run, winner = source.store, source.run, found.winner
    assert store is not None
    assert run is not None
    assert winner is not None
    training = source.training or run
    wish = f"max-drop {options.max_drop}" if options.max_drop is not None else f"max-size {options.max_size}"
    asked = {
        f"search.{name}": getattr(options, name)
        for name in ("metric", "max_drop", "max_size", "by", "images", "screening", "budget")
    }
    asked |= {f"search.{name}": ",".join(getattr(options, name)) for name in ("choices", "algorithms")}
    tags = {
        names.TRAINING_KEY: run.tags[names.TRAINING_KEY],
        names.TRAINING_KIND: run.tags.get(names.TRAINING_KIND, ""),
        names.VERSION: __version__,
        names.VERSIONS: json.dumps(environment()),
        names.DATA_FINGERPRINT: run.tags.get(names.DATA_FINGERPRINT, ""),
        names.LATENCY_HOST: host(),
        names.CPU: cpu_name(),
    }
    files = {
        f"{_FOLDER}/recipe.yaml": winner.recipe.to_yaml().encode(),
        f"{_FOLDER}/front.md": front_text(found).encode(),
        f"{_FOLDER}/front.png": render(search_figure(found), "png", dots=150),
        f"{_FOLDER}/tried.json": search_json(found),
        names.CHOSEN_FILE: claimed.content,
        names.CONFIG_FILE: to_yaml(source.config).encode(),
    }
    params = parameters(source.config) | asked
    with store.run(names.SEARCH, f"search {wish}", parent=training.run_id, tags=tags, params=params) as run_id:
        hashes = store.upload(run_id, files)
        store.log(run_id, metrics=_metrics(found, claimed, latencies[CHOSEN]), tags=hashes)
    return run_id


def _metrics(found: Found, claimed: Claim, latency: Latency) -> dict[str, float]:
    accuracy, mean_iou = claimed.change("accuracy"), claimed.change("mean_iou")
    metrics = {
        names.SIZE_BYTES: float(len(claimed.content)),
        names.ACCURACY: claimed.score("accuracy"),
        names.MEAN_IOU: claimed.score("mean_iou"),
        names.AGREEMENT: claimed.evaluation.agreement,
        names.LATENCY_P50: latency.p50_ms,
        names.LATENCY_P95: latency.p95_ms,
        "search/tried": float(len(found.tried)),
    }
    if accuracy is not None and mean_iou is not None:
        metrics |= {
            names.DELTA_ACCURACY: accuracy.difference,
            names.DELTA_ACCURACY_LOW: accuracy.low,
            names.DELTA_ACCURACY_HIGH: accuracy.high,
            names.DELTA_MEAN_IOU: mean_iou.difference,
            names.DELTA_MEAN_IOU_LOW: mean_iou.low,
            names.DELTA_MEAN_IOU_HIGH: mean_iou.high,
        }
    return metrics
