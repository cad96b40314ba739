"""What the running sweeps of a store are doing, from the store alone: it may be asked on another host."""

import time

from segsweep.durations import duration
from segsweep.tracking import names
from segsweep.tracking.liveness import maker_is_gone
from segsweep.tracking.records import RunRecord, read_members
from segsweep.tracking.store import Store

_LOSS = "train/loss"


def status_text(store: Store) -> str:
    """For each sweep that is running: how much of it is done, what runs, and how long it may take."""
    sweeps = store.of_kind(names.SWEEP)
    running = [sweep for sweep in sweeps if sweep.status == "RUNNING"]
    if running:
        return "\n".join(_sweep_text(store, sweep) for sweep in running)
    if not sweeps:
        return f"no sweep in the experiment {store.experiment} of {store.location.shown}\n"
    last = sweeps[0]
    ended = f", {_ago(last.ended_ms)} ago" if last.ended_ms else ""
    reason = last.tags.get(names.FAILURE)
    return (
        f"no sweep is running; the last, {last.name}, ended as {last.status}{ended}{f': {reason}' if reason else ''}\n"
    )


def _sweep_text(store: Store, sweep: RunRecord) -> str:
    content = store.artifacts.read(sweep, names.MEMBERS_FILE)
    members = read_members(content) if content is not None else []
    wanted = {member.evaluation_key for member in members}
    newest: dict[str, RunRecord] = {}
    for run in store.with_keys(names.VARIANT, names.EVALUATION_KEY, wanted):
        key = run.tags[names.EVALUATION_KEY]
        if key not in newest or (run.is_finished and not newest[key].is_finished):
            newest[key] = run
    done = [run for run in newest.values() if run.is_finished]
    made = [run for run in done if run.tags.get(names.SWEEP_ID) == sweep.run_id]
    own = [run for run in store.search(f"tags.`{names.SWEEP_ID}` = '{sweep.run_id}'") if run.run_id != sweep.run_id]
    own = [run for run in own if run.kind != names.REFERENCE]
    busy = [run for run in own if run.status == "RUNNING"]
    failed = [run for run in own if run.status == "FAILED"]
    left = len(wanted) - len(done)
    seconds = time.time() - sweep.started_ms / 1000
    gone = "  ITS PROCESS IS GONE: run the same command again to go on" if maker_is_gone(sweep) else ""
    lines = [
        f"{sweep.name}  {sweep.run_id[:8]}  since {duration(seconds)} on {sweep.tags.get(names.HOST, '?')}{gone}",
        f"  {len(done)} of {len(wanted)} variants done ({len(done) - len(made)} found), {len(busy)} running, "
        f"{len(failed)} failed, {left} left"
        + (f", about {duration(seconds / len(made) * left)} to go" if made and left else ""),
    ]
    lines += [f"  running  {run.name}  {_progress(store, run)}" for run in busy]
    lines += [f"  FAILED   {run.name}  {run.tags.get(names.FAILURE, '')}" for run in failed]
    return "\n".join(lines) + "\n"


def _progress(store: Store, run: RunRecord) -> str:
    where = f"on {run.tags.get(names.HOST, '?')}, process {run.tags.get(names.PID, '?')}, since {_ago(run.started_ms)}"
    if run.kind != names.TRAINING or _LOSS not in run.metrics:
        return where
    epoch, loss = store.history(run.run_id, _LOSS)[-1]
    epochs = sum(int(run.params.get(name, 0)) for name in ("training.epochs", "training.fine_tuning.epochs"))
    return f"epoch {epoch}/{epochs or '?'}, loss {loss:.3f}, {where}"


def _ago(milliseconds: int | None) -> str:
    return duration(time.time() - (milliseconds or 0) / 1000)
