"""What of a training's settings is in its key."""

from segsweep.config.training_schema import TrainingConfig
from segsweep.config.used_training_settings import used_training_settings


def test_a_setting_that_is_off_is_not_in_the_key_at_all():
    """So that the trainings of stores from before the setting was there are still found."""
    plain = used_training_settings(TrainingConfig())
    assert sorted(plain) == [
        *("augmentation", "batch_size", "early_stopping", "epochs", "gradient_clip_norm", "learning_rate"),
        *("optimizer", "schedule", "threads", "warmup_epochs", "weight_decay"),
    ]
    assert plain["augmentation"] == {"flips": "auto", "turns": "auto"}
    assert plain["early_stopping"] == {"monitor": "val/mean_iou", "patience": None}
