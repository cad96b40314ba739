"""Which schema belongs to which choice, and telling Hydra about them."""

from dataclasses import fields
from typing import Any

from hydra.core.config_store import ConfigStore

from segsweep.config import data_schema, loss_schema, model_schema, schema, training_schema

SECTIONS: dict[str, dict[str, type[Any]]] = {
    "data": {
        "cifar100": data_schema.Cifar100Config,
        "class_folders": data_schema.ClassFoldersConfig,
        "image_folder": data_schema.ImageFolderConfig,
        "npz": data_schema.NpzConfig,
        "oxford_pets": data_schema.OxfordPetsConfig,
        "synthetic_parcels": data_schema.SyntheticParcelsConfig,
        "voc": data_schema.VocConfig,
    },
    "model": {
        "strided_unet": schema.StridedUnetConfig,
        "unet": model_schema.UnetConfig,
        "pixel_mlp": model_schema.PixelMlpConfig,
        "backbone_unet": model_schema.BackboneUnetConfig,
        "deeplabv3": model_schema.Deeplabv3Config,
        "classifier": model_schema.ClassifierConfig,
        "conv_net": model_schema.ConvNetConfig,
    },
    "loss": {
        "cross_entropy": schema.LossConfig,
        "focal": loss_schema.FocalLossConfig,
        "dice": loss_schema.DiceLossConfig,
        "jaccard": loss_schema.JaccardLossConfig,
        "tversky": loss_schema.TverskyLossConfig,
        "lovasz": loss_schema.LovaszLossConfig,
        "partial_cross_entropy": loss_schema.PartialCrossEntropyLossConfig,
        "combined": loss_schema.CombinedLossConfig,
    },
    "training": {"default": training_schema.TrainingConfig},
    "quantization": {"default": schema.QuantizationConfig},
    "evaluation": {"default": schema.EvaluationConfig},
    "ensemble": {"default": schema.EnsembleConfig},
    "tracking": {"default": schema.TrackingConfig},
    "sweep": {"default": schema.SweepConfig},
}
"""For each section of the configuration, from its `name` (or `default` where it has one schema) to the schema."""


def schema_of(section: str, name: str | None) -> type[Any] | None:
    """The schema of `section` when it is called `name`; None where there is no such choice."""
    choices = SECTIONS[section]
    return choices.get("default") or choices.get(name or "")


def field_names(schema_class: type[Any]) -> set[str]:
    """Names of the settings of a schema."""
    return {each.name for each in fields(schema_class)}


def register() -> None:
    """Put every schema under `schema/<section>/<name>`, out of the way of `--help`, which lists real choices."""
    store = ConfigStore.instance()
    for section, choices in SECTIONS.items():
        for name, schema_class in choices.items():
            store.store(group=f"schema/{section}", name=name, node=schema_class, package=section, provider="segsweep")
