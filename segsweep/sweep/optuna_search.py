"""A search by Optuna, whose study is rebuilt from what the runs of earlier sweeps say: there is no second database."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState, create_trial

from segsweep.config.keys import content_key
from segsweep.data.sources import load_dataset
from segsweep.errors import ConfigError, SegsweepError
from segsweep.lineage.jobs import lineage
from segsweep.sweep.found import finished_variants
from segsweep.sweep.objectives import METRICS, Constraint
from segsweep.sweep.points import Point
from segsweep.sweep.search import Result
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

optuna.logging.set_verbosity(optuna.logging.ERROR)

SAMPLERS = ("tpe", "nsga2", "random", "grid")
PRUNERS = ("none", "median", "hyperband")
_DONE, _FAILED, _PRUNED, _ASKED = "done", "failed", "pruned", "asked"


@dataclass(frozen=True)
class SearchSettings:
    """What determines a search; sweeps with the same settings continue one study."""

    space: Mapping[str, BaseDistribution] = field(repr=False)
    """From override name to the values it may have."""
    fixed: tuple[str, ...]
    """Overrides that all points share."""
    objectives: Mapping[str, str]
    """From metric to `maximize` or `minimize`."""
    constraints: tuple[Constraint, ...]
    sampler: str
    pruner: str
    seed: int
    batch: int
    """Points tried at a time."""

    @property
    def key(self) -> str:
        """The same for sweeps that continue one study."""
        return content_key(
            {
                "space": {name: distribution_to_json(each) for name, each in sorted(self.space.items())},
                "fixed": sorted(self.fixed),
                "objectives": dict(self.objectives),
                "constraints": [asdict(each) for each in self.constraints],
                "sampler": self.sampler,
                "seed": self.seed,
            }
        )


@dataclass
class _TrialNote:
    """What `sweep/trials.json` keeps of a trial."""

    params: dict[str, Any]
    evaluation_key: str = ""
    state: str = _ASKED
    reason: str | None = None
    """Why it failed."""
    system_attrs: dict[str, Any] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)


class OptunaSearch:
    """Asks Optuna for points, and tells it what came of them; a failure is told as such, never as a bad score."""

    def __init__(self, settings: SearchSettings, compose: Callable[[Sequence[str]], Point], trials: int):
        """`compose` makes a point of overrides; `trials` is how many there may be, those of earlier sweeps included."""
        if settings.pruner != "none" and len(settings.objectives) > 1:
            raise ConfigError("hydra.sweeper.pruner: a search with several objectives cannot prune; set pruner=none")
        self._settings = settings
        self._compose = compose
        self._trials = trials
        self._store: Store | None = None
        self._sweep_id = ""
        self._notes: list[_TrialNote] = []
        self._earlier: list[tuple[Point, _TrialNote]] = []
        self._runs: Mapping[str, RunRecord] = {}
        self._asked: list[tuple[Trial, Point, _TrialNote]] = []
        self._study: optuna.Study | None = None

    @property
    def total(self) -> int:
        return self._trials

    @property
    def needs_latency(self) -> bool:
        """Whether latency is an objective or bounded."""
        used = {*self._settings.objectives, *(each.metric for each in self._settings.constraints)}
        return "latency_p50_ms" in used

    def begin(self, store: Store, sweep_id: str) -> None:
        """Keep with the sweep's run what a later sweep needs to go on."""
        self._store, self._sweep_id = store, sweep_id
        tags = {names.STUDY: self._settings.key, names.OBJECTIVES: ",".join(self._settings.objectives)}
        store.log(sweep_id, tags=tags)
        self._keep_notes()

    def ask(self) -> Sequence[Point]:
        """First what earlier sweeps found, to be listed; then batches, until all trials were made."""
        if self._study is None:
            self._study = self._rebuilt()
            known = [point for point, note in self._earlier if note.evaluation_key in self._runs]
            if known:
                return known
        study = self._study
        self._asked = []
        while len(self._asked) < self._settings.batch and len(study.get_trials(deepcopy=False)) < self._trials:
            if self._settings.sampler == "grid":
                following = next(self._untried(study), None)
                if following is None:
                    break
                study.enqueue_trial(following)
            trial = study.ask(dict(self._settings.space))
            note = _TrialNote(dict(trial.params))
            self._notes.append(note)
            try:
                point, note.evaluation_key = self._point(trial.params)
            except SegsweepError as error:
                # A corner of the space that no network fits into.
                note.state, note.reason = _FAILED, str(error)
                note.system_attrs = dict(study.tell(trial, state=TrialState.FAIL).system_attrs)
                continue
            self._asked.append((trial, point, note))
        self._keep_notes()
        return [point for _, point, _ in self._asked]

    def _untried(self, study: optuna.Study) -> Iterator[dict[str, Any]]:
        """The combinations of a grid that no trial has tried, in an order that the seed determines."""
        choices = _choices(self._settings.space)
        everything = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
        tried = [trial.params for trial in study.get_trials(deepcopy=False)]
        for index in np.random.default_rng(self._settings.seed).permutation(len(everything)):
            if everything[index] not in tried:
                yield everything[index]

    def _point(self, params: Mapping[str, Any]) -> tuple[Point, str]:
        """The point of a trial, and the evaluation key of what it asks for.

        Raises SegsweepError where the settings are wrong or do not fit the data.
        """
        words = [f"{'++' if '.' in name else ''}{name}={value}" for name, value in params.items()]
        point = self._compose([*self._settings.fixed, *words])
        prune = self._settings.pruner != "none"
        point = replace(point, config=replace(point.config, sweep=replace(point.config.sweep, prune=prune)))
        return point, lineage(point.config, load_dataset(point.config.data)).asked.evaluation_key

    def tell(self, results: Sequence[Result]) -> None:
        """Tell Optuna what came of the batch; of what earlier sweeps found it knows already."""
        assert self._study is not None
        for (trial, _, note), result in zip(self._asked, results, strict=False):
            values = None if result.run is None else _values(result.run, self._settings.objectives)
            if result.run is not None and values is not None:
                for each in self._settings.constraints:
                    violation = each.violation(result.run)
                    if violation is not None:
                        trial.set_constraint(each.text, violation)
                note.state, state = _DONE, TrialState.COMPLETE
            elif result.pruned:
                note.state, state = _PRUNED, TrialState.PRUNED
            else:
                # One whose turn did not come stays as it was asked for, and is open the next time.
                note.state, state = (_FAILED if result.started else _ASKED), TrialState.FAIL
                note.reason = result.reason
            told = self._study.tell(trial, values if state is TrialState.COMPLETE else None, state=state)
            note.system_attrs = dict(told.system_attrs)
        self._keep_notes()

    def summary(self) -> dict[str, bytes]:
        """The Pareto-optimal trials: none of the others is at least as good in all objectives and better in one."""
        assert self._study is not None
        best = [
            {"params": trial.params, "values": dict(zip(self._settings.objectives, trial.values, strict=True))}
            for trial in self._study.best_trials
        ]
        return {
            names.PARETO_FILE: json.dumps(
                {"objectives": dict(self._settings.objectives), "best": best}, indent=1
            ).encode()
        }

    def remember(self, store: Store | None) -> None:
        """Take over the trials of earlier sweeps of the same study, as far as they are what they would be today."""
        if store is None:
            return
        notes: dict[str, _TrialNote] = {}
        for sweep in reversed(store.with_key(names.SWEEP, names.STUDY, self._settings.key)):
            content = store.artifacts.read(sweep, names.TRIALS_FILE)
            for entry in json.loads(content)["trials"] if content is not None else []:
                notes[json.dumps(entry["params"], sort_keys=True)] = _TrialNote(**entry)
        for note in notes.values():
            try:
                point, key = self._point(note.params)
            except SegsweepError:
                continue
            # Other data, other versions of libraries or another YAML make another point of the same parameters.
            if key == note.evaluation_key:
                self._earlier.append((point, note))
        self._runs = finished_variants(store, {note.evaluation_key for _, note in self._earlier})

    def _rebuilt(self) -> optuna.Study:
        """A study that knows the earlier trials that were scored or pruned; what failed then may be tried again."""
        settings = self._settings
        # Of the trials before, since a sampler with the same seed would propose the same points again.
        seed = settings.seed + len(self._earlier)
        study = optuna.create_study(
            directions=[StudyDirection[each.upper()] for each in settings.objectives.values()],
            sampler=_sampler(settings, seed),
            pruner=_pruner(settings),
        )
        for _, note in self._earlier:
            run = self._runs.get(note.evaluation_key)
            values = None if run is None else _values(run, settings.objectives)
            if values is None and note.state != _PRUNED:
                continue
            violations = {} if run is None else {each.text: each.violation(run) for each in settings.constraints}
            study.add_trial(
                create_trial(
                    state=TrialState.PRUNED if values is None else TrialState.COMPLETE,
                    values=values,
                    params=note.params,
                    distributions=dict(settings.space),
                    system_attrs={k: v for k, v in note.system_attrs.items() if not k.startswith("constraints")},
                    intermediate_values={int(step): self._sign * score for step, score in note.reported.items()},
                    constraints={name: value for name, value in violations.items() if value is not None} or None,
                )
            )
            self._notes.append(note)
        return study

    def _keep_notes(self) -> None:
        if self._store is not None:
            content = json.dumps({"format": 1, "trials": [asdict(note) for note in self._notes]}, indent=1)
            self._store.add_artifacts(self._sweep_id, {names.TRIALS_FILE: content.encode()})

    @property
    def prunes(self) -> bool:
        """Whether running trainings are to be reported."""
        return self._settings.pruner != "none"

    def report(self, training_key: str, epoch: int, score: float) -> bool:
        """A running training has reached `score` in `epoch`; return whether it is hopeless."""
        hopeless = False
        for trial, point, note in self._asked:
            spec = lineage(point.config, load_dataset(point.config.data))
            if spec.asked.training.root.key == training_key and str(epoch) not in note.reported:
                trial.report(self._sign * score, epoch)
                note.reported[str(epoch)] = score
                hopeless = hopeless or trial.should_prune()
        return hopeless

    @property
    def _sign(self) -> float:
        # What is reported, mean IoU, is the better the higher, whatever the objective is.
        return 1.0 if next(iter(self._settings.objectives.values())) == "maximize" else -1.0


def _sampler(settings: SearchSettings, seed: int) -> optuna.samplers.BaseSampler:
    if settings.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=True)
    if settings.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=max(settings.batch, 10))
    # A grid's points are given to it.
    return optuna.samplers.RandomSampler(seed=seed)


def _pruner(settings: SearchSettings) -> optuna.pruners.BasePruner:
    return {
        "none": optuna.pruners.NopPruner,
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=2),
    }[settings.pruner]()


def _choices(space: Mapping[str, BaseDistribution]) -> dict[str, Sequence[Any]]:
    """All values of each axis, for a grid."""
    found: dict[str, Sequence[Any]] = {}
    for name, each in space.items():
        if isinstance(each, optuna.distributions.CategoricalDistribution):
            found[name] = each.choices
        elif isinstance(each, optuna.distributions.IntDistribution):
            found[name] = range(each.low, each.high + 1, each.step)
        else:
            raise ConfigError(f"{name}: a grid needs a list of values, not an interval; or choose another sampler")
    return found


def _values(run: RunRecord, objectives: Mapping[str, str]) -> list[float] | None:
    found = [run.metrics.get(METRICS[name][0]) for name in objectives]
    return None if any(value is None for value in found) else [float(value) for value in found if value is not None]
