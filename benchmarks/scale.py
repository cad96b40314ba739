"""How many runs and workers a store carries: measured rates, and a simulation of more than fit here.

python benchmarks/scale.py measure URI [PROCESSES]    runs a second that so many processes log to a store
python benchmarks/scale.py search URI                 seconds to list what the store holds
python benchmarks/scale.py simulate                   workers that share a server of a given rate
"""

import heapq
import multiprocessing
import random
import sys
import time

_RUNS = 40
"""Logged by each process."""
_PARAMS = 45


def main() -> None:
    """Do what the first word says."""
    what, *rest = sys.argv[1:]
    {"measure": measure, "search": search, "simulate": simulate}[what](*rest)


def measure(uri: str, processes: str = "2") -> None:
    """Print how many variant runs a second are logged, each as a job logs it."""
    log_runs(uri, 1)
    count = int(processes)
    started = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        pool.starmap(log_runs, [(uri, 0)] * count)
        imported = time.perf_counter()
        pool.starmap(log_runs, [(uri, _RUNS)] * count)
        seconds = time.perf_counter() - imported
    print(f"{count} processes: {count * _RUNS / seconds:.1f} runs/s ({imported - started:.1f} s for imports)")


def log_runs(uri: str, runs: int) -> None:
    """Log `runs` variants: the looks that come first, params, files, metrics, tags and the end."""
    from segsweep.tracking import names
    from segsweep.tracking.store import Store

    store = Store.open(uri, "scale")
    params = {f"section.setting_{number}": number for number in range(_PARAMS)}
    files = {names.MODEL_FILE: random.randbytes(120_000), names.CONFIG_FILE: b"x" * 2000}
    for _ in range(runs):
        key = f"{random.getrandbits(128):032x}"
        store.with_key(names.VARIANT, names.EVALUATION_KEY, key)
        store.with_key(names.VARIANT, names.VARIANT_KEY, key)
        tags = {names.EVALUATION_KEY: key, names.VARIANT_KEY: key}
        with store.run(names.VARIANT, "v", parent=None, tags=tags, params=params) as run_id:
            hashes = store.upload(run_id, files)
            store.get(run_id)
            hashes |= store.upload(run_id, {names.CONFUSION_FILE: b"x" * 1000, names.PREDICTIONS_FILE: b"x" * 9000})
            metrics = {f"test/metric_{number}": 0.5 for number in range(18)}
            store.log(run_id, metrics=metrics, tags=hashes)


def search(uri: str) -> None:
    """Print how long it takes to list all variants, and to find one by its key."""
    from segsweep.tracking import names
    from segsweep.tracking.store import Store

    store = Store.open_to_read(uri, "scale")
    started = time.perf_counter()
    runs = store.of_kind(names.VARIANT)
    listed = time.perf_counter() - started
    started = time.perf_counter()
    for run in runs[:20]:
        store.with_key(names.VARIANT, names.EVALUATION_KEY, run.tags[names.EVALUATION_KEY])
    found = (time.perf_counter() - started) / 20
    print(f"{len(runs)} runs: listed in {listed:.2f} s, one found by its key in {1000 * found:.1f} ms")


def simulate() -> None:
    """Print what workers wait for a store that logs so many runs a second, by how long their jobs take."""
    print("| runs/s of the store | workers | seconds a job | store busy | a job waits, s | share lost |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in (8, 45):
        for workers in (10, 100, 1000):
            for job in (10, 60, 600):
                busy, wait = queue(workers, job, 1 / rate)
                print(f"| {rate} | {workers} | {job} | {busy:.0%} | {wait:.2f} | {wait / (job + wait):.1%} |")


def queue(workers: int, job_seconds: float, service_seconds: float, jobs: int = 40_000) -> tuple[float, float]:
    """Share of the time that one server is busy, and mean seconds a job waits for it, itself included.

    Each worker computes for a time drawn from an exponential distribution and then asks the server once; a closed
    queue (M/M/1//N).
    """
    dice = random.Random(0)
    ready = [(dice.expovariate(1 / job_seconds), worker) for worker in range(workers)]
    heapq.heapify(ready)
    free_at = busy = waited = 0.0
    for _ in range(jobs):
        now, worker = heapq.heappop(ready)
        service = dice.expovariate(1 / service_seconds)
        free_at = max(free_at, now) + service
        busy += service
        waited += free_at - now
        heapq.heappush(ready, (free_at + dice.expovariate(1 / job_seconds), worker))
    return busy / free_at, waited / jobs


if __name__ == "__main__":
    main()
