"""One thread for the whole process, before any test runs: the number cannot be changed once TensorFlow has begun."""

from segsweep.training.runtime import configure

configure(1)
