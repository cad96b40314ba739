"""Latency of every variant of a sweep, measured one after the other when nothing else of the sweep runs."""

from collections.abc import Iterable

from segsweep.config.schema import LatencyConfig
from segsweep.evaluation.latency import cpu_name, measure_latency
from segsweep.progress import Reporter
from segsweep.tracking import names
from segsweep.tracking.liveness import host
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


def lacking_latency(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The runs that have no latency of this host yet."""
    here = host()
    return [
        record
        for record in records
        if names.LATENCY_P50 not in record.metrics or record.tags.get(names.LATENCY_HOST) != here
    ]


def add_latencies(store: Store, records: list[RunRecord], config: LatencyConfig, progress: Reporter) -> None:
    """Measure the files of `records` and add what was found to the finished runs."""
    here, cpu = host(), cpu_name()
    progress.stage("measuring latency", len(records))
    for number, record in enumerate(records, start=1):
        path = store.artifacts.path(record, names.MODEL_FILE)
        if path is not None:
            latency = measure_latency(path, config)
            store.log(
                record.run_id,
                metrics={
                    names.LATENCY_P50: latency.p50_ms,
                    names.LATENCY_P95: latency.p95_ms,
                    names.LATENCY_SECONDS: latency.seconds,
                },
                tags={names.LATENCY_HOST: here, names.CPU: cpu},
            )
        progress.step(number)
    progress.end()
