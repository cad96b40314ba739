import subprocess
import sys

import pytest
import tensorflow as tf

from segsweep.training.runtime import ThreadsError, configure


def test_one_thread_and_deterministic_operations():
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1


def test_again_with_the_same_number():
    tf.constant(1) + 1
    configure(1)


def test_again_with_another_number():
    tf.constant(1) + 1
    with pytest.raises(ThreadsError, match=r"training\.threads=2, but TensorFlow already runs with 1 threads"):
        configure(2)
    configure(1)


@pytest.mark.parametrize("module", ["runtime", "history", "schedules", "checkpoint"])
def test_light_modules_import_no_tensorflow(module):
    code = f"import sys, segsweep.training.{module}; sys.exit('tensorflow' in sys.modules or 'tf_keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_process_that_computes_with_all_threads_has_others_than_one():
    script = (
        "import tensorflow as tf; from segsweep.training.runtime import has_other_threads\n"
        "before = has_other_threads(1); tf.config.threading.set_intra_op_parallelism_threads(0); tf.constant(1) + 1\n"
        "print(before, has_other_threads(1))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stdout.split() == ["False", "True"], ended.stderr
