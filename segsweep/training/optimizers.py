"""The optimizers, by name, and all the state they carry."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from segsweep.config.training_schema import TrainingConfig
from segsweep.errors import ConfigError


class Nadam(keras.optimizers.Nadam):
    """Nadam (Dozat 2016) that is the same in a traced step as in an eager one.

    Keras counts in Python how often it advanced the product of momenta; a traced step freezes that number, and the
    product, which belongs to the step, then advances once for each variable (tf-keras 2.21).
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        first = self._index_dict[self._var_key(variable)] == 0
        self._u_product_counter = 0 if first else self.iterations + 2
        super().update_step(gradient, variable)


OPTIMIZERS: dict[str, Callable[[TrainingConfig, dict[str, Any]], keras.optimizers.Optimizer]] = {
    "adam": lambda settings, shared: keras.optimizers.Adam(**shared),
    # Of all of Keras's, AdamW alone refuses None; the others spare the operations with it.
    "adamw": lambda settings, shared: keras.optimizers.AdamW(**{**shared, "weight_decay": settings.weight_decay}),
    "nadam": lambda settings, shared: Nadam(**shared),
    "rmsprop": lambda settings, shared: keras.optimizers.RMSprop(**shared),
    "sgd": lambda settings, shared: keras.optimizers.SGD(momentum=settings.momentum, nesterov=True, **shared),
}


def build_optimizer(settings: TrainingConfig) -> keras.optimizers.Optimizer:
    """The optimizer that `settings` names, with its clipping and its decoupled weight decay of all trainable weights.

    With mixed precision it is wrapped so that the loss is scaled and steps that overflow in float16 are left out.

    Raises ConfigError for an unknown name.
    """
    if settings.optimizer not in OPTIMIZERS:
        raise ConfigError(
            f"training.optimizer={settings.optimizer} is unknown; there are {', '.join(sorted(OPTIMIZERS))}"
        )
    shared = {
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay or None,
        "global_clipnorm": settings.gradient_clip_norm,
        "jit_compile": False,
    }
    optimizer = OPTIMIZERS[settings.optimizer](settings, shared)
    return keras.mixed_precision.LossScaleOptimizer(optimizer) if settings.mixed_precision else optimizer


def state_variables(optimizer: keras.optimizers.Optimizer) -> list[tf.Variable]:
    """All variables of a built optimizer, those included that Keras leaves out of `variables` (one of Nadam's)."""
    if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        scale = optimizer._loss_scale
        return [*state_variables(optimizer.inner_optimizer), scale.current_loss_scale, scale.counter]
    listed = list(optimizer.variables)
    known = {id(variable) for variable in listed}
    attributes = [value for _, value in sorted(vars(optimizer).items()) if isinstance(value, tf.Variable)]
    return listed + [variable for variable in attributes if id(variable) not in known]
