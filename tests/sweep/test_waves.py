"""The order of jobs: no training twice, and none waited for."""

from dataclasses import replace

import pytest
from small_jobs import dataset, job

from segsweep.config.schema import StridedUnetConfig
from segsweep.lineage.jobs import lineage
from segsweep.sweep.waves import Job, waves

VARIANTS = ("float32", "float16", "int8", "int16x8", "qat_int8")


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    return [
        Job(
            (f"model.width={width}", f"quantization={name}"),
            lineage(job(name, model=StridedUnetConfig(width=width)), dataset()),
        )
        for width in (4, 8)
        for name in VARIANTS
    ]


def names(wave: list[Job]) -> list[tuple[int, str]]:
    return [(each.spec.config.model.width, each.spec.asked.variant.name) for each in wave]


def test_every_job_is_in_exactly_one_wave(jobs):
    ordered = [each for wave in waves(jobs, set()) for each in wave]
    assert sorted(map(id, ordered)) == sorted(map(id, jobs))


def test_one_job_for_each_training_goes_first_then_finetunes_beside_the_rest(jobs):
    first, second = waves(jobs, set())
    assert len(first) == 2
    assert {name for _, name in names(first)} == {"float32"}
    assert names(second)[:2] == [(8, "qat_int8"), (4, "qat_int8")]
    assert names(second)[2:4] == [(8, "int16x8"), (4, "int16x8")]


def test_no_two_jobs_of_a_wave_need_the_same_missing_training(jobs):
    done: set[str] = set()
    for wave in waves(jobs, set()):
        missing = [key for each in wave for key in {t.key for t in each.spec.trainings} - done]
        assert len(missing) == len(set(missing))
        done.update(missing)


def test_trainings_that_are_done_are_not_waited_for(jobs):
    done = {training.key for each in jobs for training in each.spec.trainings}
    (only,) = waves(jobs, done)
    assert len(only) == len(jobs)


def test_jobs_that_share_a_finetune_come_after_it(jobs):
    qat = next(each for each in jobs if each.spec.asked.variant.name == "qat_int8")
    quantization = replace(qat.spec.config.quantization, control=False)
    other = Job((), lineage(replace(qat.spec.config, quantization=quantization), dataset()))
    first, second = waves([qat, other], set())
    assert len(first) == len(second) == 1


def test_nothing_to_do_is_no_wave():
    assert waves([], set()) == []


def test_what_starts_from_another_fine_tune_comes_after_it():
    names_ = ("float32", "pruned_int8", "pqat_int8", "cqat_int8", "qat_int8", "pruned_float32")
    jobs = [Job((name,), lineage(job(name), dataset())) for name in names_]
    first, second, third = ([each.spec.asked.variant.name for each in wave] for wave in waves(jobs, set()))
    assert first == ["float32"]
    # Nobody else clusters; of the two that prune with the same control, one waits for the other.
    assert sorted(second) == ["cqat_int8", "pruned_int8", "qat_int8"]
    assert sorted(third) == ["pqat_int8", "pruned_float32"]
