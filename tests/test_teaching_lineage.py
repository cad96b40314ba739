"""Who teaches whom: what is in the keys, which width is the teacher's, and in what order jobs run."""

from dataclasses import replace

import numpy as np
import pytest
from small_jobs import dataset, job, split

from segsweep.config.checks import check
from segsweep.config.schema import QuantizationConfig, StridedUnetConfig
from segsweep.config.training_schema import PseudoLabelsConfig, TrainingConfig
from segsweep.data.dataset import IGNORE, ArraySplit
from segsweep.data.task import CLASSIFICATION
from segsweep.errors import ConfigError, DataError
from segsweep.lineage.jobs import lineage
from segsweep.lineage.specs import JobSpec
from segsweep.lineage.used_settings import used_settings
from segsweep.models.table import check_task
from segsweep.resolving import resolved
from segsweep.sweep.plan import plan_text
from segsweep.sweep.points import Point, jobs_of
from segsweep.sweep.teachers import with_teachers
from segsweep.sweep.waves import Job, waves

QAT = ("qat_int8", "pqat_int8", "cqat_int8")


def taught(width: int = 8, name: str = "float32", data=None, **settings) -> JobSpec:
    training = TrainingConfig(**{"teacher": "widest", "teacher_width": 24, **settings})
    return lineage(job(name, model=StridedUnetConfig(width=width), training=training), data or dataset())


def points(*widths: int, **settings) -> list[Point]:
    return [
        Point((f"model.width={width}",), job("float32", model=StridedUnetConfig(width=width), training=training))
        for width in widths
        for training in [TrainingConfig(**{"teacher": "widest", **settings})]
    ]


def unlabelled(seed: int = 7, size: int = 16) -> ArraySplit:
    images = split(seed, 4, size).images
    return ArraySplit(images, np.full(images.shape[:3], IGNORE, np.uint8))


class TestKeys:
    def test_what_teaches_nothing_changes_no_key(self):
        plain = lineage(job("qat_int8"), dataset())
        off = QuantizationConfig(name="qat_int8", distillation=0.0)
        for same in (
            job(quantization=off),
            job("qat_int8", training=TrainingConfig(teacher_weight=2.0, teacher_width=7)),
            job("qat_int8", training=TrainingConfig(teacher="widest", teacher_width=24, teacher_weight=0.0)),
        ):
            assert lineage(same, dataset()).key == plain.key
        # Of a training without distillation, unlabelled images are no part either.
        assert lineage(job("qat_int8"), dataset(unlabelled=unlabelled())).key == plain.key

    def test_without_a_teacher_nothing_of_it_is_in_what_keys_are_made_of(self, monkeypatch):
        """So that the trainings of stores from before there were teachers are still found."""
        made: list[dict] = []
        monkeypatch.setattr("segsweep.lineage.trainings.content_key", lambda content: made.append(content) or "key")
        lineage(job("qat_int8"), dataset(unlabelled=unlabelled()))
        assert [each["kind"] for each in made] == ["float", "qat", "finetune"]
        assert not [name for each in made for name in (*each, *each.get("training", ())) if "teach" in name]
        assert not [each for each in made if "taught" in each]

    def test_the_teacher_its_weight_and_the_unlabelled_images_are_in_the_key_of_its_student(self):
        alone = lineage(job("float32"), dataset()).asked.training.key
        keys = [
            taught().asked.training.key,
            taught(teacher_width=32).asked.training.key,
            taught(teacher_weight=0.5).asked.training.key,
            taught(data=dataset(unlabelled=unlabelled())).asked.training.key,
            taught(data=dataset(unlabelled=unlabelled(8))).asked.training.key,
            taught(teacher="abc", teacher_key="one").asked.training.key,
            taught(teacher="abc", teacher_key="other").asked.training.key,
        ]
        assert len({alone, *keys}) == 8
        # What a run is called is not: only which training it is.
        assert taught(teacher="abc1", teacher_key="one").asked.training.key == keys[5]

    def test_the_teacher_is_the_training_of_its_width_and_comes_first(self):
        found = taught()
        teacher, student = found.trainings
        assert teacher.key == lineage(job("float32", model=StridedUnetConfig(width=24)), dataset()).asked.training.key
        assert student.taught.key == teacher.key
        assert student.taught.training is teacher
        assert teacher.taught is None
        assert [each.training for each in found.variants] == [student], "no file of the teacher is asked for"

    def test_a_run_of_the_store_is_not_trained(self):
        (student,) = taught(teacher="abc", teacher_key="one").trainings
        assert (student.taught.key, student.taught.training) == ("one", None)

    def test_only_those_with_a_teacher_say_how_much_it_weighs(self):
        names = {"training.teacher", "training.teacher_weight", "training.teacher_width"}
        assert used_settings(taught().asked).keys() >= names
        assert used_settings(lineage(job(), dataset()).asked).keys() & names == {"training.teacher"}
        assert "training.teacher_key" not in used_settings(taught(teacher="abc", teacher_key="one").asked)


class TestDistillation:
    @staticmethod
    def spec(name: str, weight: float = 1.0, **settings) -> JobSpec:
        return lineage(job(quantization=QuantizationConfig(name=name, distillation=weight, **settings)), dataset())

    @pytest.mark.parametrize("name", QAT)
    def test_two_controls_one_of_them_taught_alike(self, name):
        found = self.spec(name)
        assert found.asked.training.taught.key == found.asked.training.root.key
        controls = [each for each in found.variants if each.training.kind == "finetune"]
        assert [(each.variant.name, each.training.taught) for each in controls] == [
            *((file, None) for file in ("float32", "int8")),
            *((file, found.asked.training.taught) for file in ("float32", "int8")),
        ]
        plain = [each for each in self.spec(name, 0.0).variants if each.training.kind == "finetune"]
        assert [each.key for each in controls[:2]] == [each.key for each in plain]
        assert len({each.key for each in controls}) == 4
        assert [used_settings(each)["quantization.distillation"] for each in controls] == [0.0, 0.0, 1.0, 1.0]
        assert used_settings(found.asked)["quantization.distillation"] == 1.0
        assert found.asked.key not in {self.spec(name, 0.0).asked.key, self.spec(name, 2.0).asked.key}

    def test_without_controls_there_is_none_that_is_taught(self):
        assert [each.training.kind for each in self.spec("qat_int8", control=False).variants] == ["float", "qat"]

    @pytest.mark.parametrize("name", ["int8", "pruned_int8", "clustered_float32"])
    def test_what_does_not_round_learns_nothing(self, name):
        assert self.spec(name).key == self.spec(name, 0.0).key
        assert "quantization.distillation" not in used_settings(self.spec(name).asked)

    def test_the_first_of_two_fine_tunes_is_shared_with_those_without_a_teacher(self):
        parents = {self.spec("pqat_int8", weight).asked.training.parent.key for weight in (0.0, 1.0)}
        assert len(parents) == 1


class TestWidest:
    def test_it_is_the_widest_of_the_same_other_settings_and_has_no_teacher(self):
        found = with_teachers([*points(4, 24, 8), *points(4, 12, learning_rate=0.1)])
        chosen = [(each.config.training.teacher, each.config.training.teacher_width) for each in found]
        assert chosen == [("widest", 24), (None, None), ("widest", 24), ("widest", 12), (None, None)]
        # Launchers that compose settings anew are told so too.
        assert found[0].overrides == ("model.width=4", "++training.teacher_width=24")
        assert found[1].overrides == ("model.width=24", "++training.teacher=null", "++training.teacher_width=null")
        assert [each.config for each in with_teachers(found)] == [each.config for each in found]

    def test_what_is_made_of_the_weights_makes_no_other_settings(self):
        wide, narrow = points(24, 4)
        narrow = replace(narrow, config=replace(narrow.config, quantization=QuantizationConfig(name="int8")))
        assert with_teachers([wide, narrow])[1].config.training.teacher_width == 24

    def test_its_width_can_be_given(self):
        (found,) = with_teachers(points(4, teacher_width=16))
        assert found.config.training.teacher_width == 16

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (points(8), "no other model.width with the same other settings"),
            ([*points(8), *points(16, learning_rate=0.1)], "no other model.width with the same other settings"),
            (points(4, 32, teacher_width=16), "model.width=32 is wider than its teacher"),
        ],
    )
    def test_where_there_is_none_that_is_wider_nothing_starts(self, given, words):
        with pytest.raises(ConfigError, match=words):
            with_teachers(given)

    def test_a_weight_of_0_is_no_teacher(self):
        (found,) = with_teachers(points(8, teacher_weight=0.0))
        assert found.config.training.teacher is None

    def test_weights_of_one_width_do_not_start_another(self):
        with pytest.raises(ConfigError, match="initial_weights are of one width"):
            taught(initial_weights="weights.npz")


class TestWaves:
    def test_a_teacher_is_trained_before_its_students(self):
        found = with_teachers([*points(4, 8, 24), *points(4, 8, 24, teacher=None)])
        specs = {lineage(each.config, dataset()).key: each for each in found}
        jobs = [Job(each.overrides, lineage(each.config, dataset())) for each in specs.values()]
        ordered = [[(job.spec.config.model.width, job.spec.config.training.teacher) for job in wave] for wave in
                   waves(jobs, set())]  # fmt: skip
        assert ordered == [[(24, None), (8, None), (4, None)], [(8, "widest"), (4, "widest")]]

    def test_where_no_job_asks_for_the_teacher_one_student_trains_it(self):
        found = with_teachers(points(4, 8, teacher_width=24))
        jobs = [Job(each.overrides, lineage(each.config, dataset())) for each in found]
        done: set[str] = set()
        for wave in waves(jobs, done):
            missing = [key for each in wave for key in {t.key for t in each.spec.trainings} - done]
            assert len(missing) == len(set(missing))
            done.update(missing)
        assert [len(wave) for wave in waves(jobs, set())] == [1, 1]
        teacher = jobs[0].spec.trainings[0].key
        assert [len(wave) for wave in waves(jobs, {teacher})] == [2]

    def test_a_round_of_pseudo_labels_waits_for_the_one_before(self):
        training = TrainingConfig(pseudo_labels=PseudoLabelsConfig(rounds=1, images="unlabelled"))
        data = dataset(unlabelled=unlabelled())
        jobs = [Job((str(n),), lineage(job("float32", training=each), data)) for n, each in
                enumerate([training, TrainingConfig()])]  # fmt: skip
        assert [[each.overrides for each in wave] for wave in waves(jobs, set())] == [[("1",)], [("0",)]]

    def test_the_plan_counts_the_teacher_and_names_it(self, monkeypatch, workplace):
        monkeypatch.setattr("segsweep.sweep.points.load_dataset", lambda config: dataset())
        jobs, _ = jobs_of(with_teachers(points(4, 8, teacher_width=24)))
        text = plan_text(points(4, 8), jobs, [])
        assert "trainings  3 float trainings, 0 done" in text
        assert "teacher    strided_unet w24 lr0.001 float teaches 2 trainings" in text


class TestRefusals:
    @pytest.mark.parametrize("name", ["training.teacher_weight", "quantization.distillation"])
    def test_negative_weights(self, name):
        with pytest.raises(ConfigError, match=f"{name}=-1.0 is out of range"):
            check({name: -1.0})

    def test_unlabelled_images_that_are_scored(self):
        data = dataset(unlabelled=ArraySplit(dataset().test.images, np.full((3, 16, 16), IGNORE, np.uint8)))
        with pytest.raises(DataError, match="would be trained on"):
            taught(data=data)
        with pytest.raises(DataError, match="would be trained on"):
            lineage(job(quantization=QuantizationConfig(name="qat_int8", distillation=1.0)), data)

    def test_unlabelled_images_of_another_shape(self):
        with pytest.raises(ConfigError, match=r"training.teacher: data.unlabelled: they are \(24, 24, 2\)"):
            taught(data=dataset(unlabelled=unlabelled(size=24)))

    def test_unlabelled_images_of_a_classification(self, monkeypatch):
        monkeypatch.setattr("segsweep.resolving.check_task", lambda *_: check_task)
        data = dataset(task=CLASSIFICATION, unlabelled=unlabelled())
        config = job(training=TrainingConfig(teacher="widest", teacher_width=24))
        with pytest.raises(ConfigError, match="has a class an image, of which unlabelled images cannot be learned"):
            resolved(config, data)
