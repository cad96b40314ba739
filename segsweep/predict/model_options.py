"""The options of verbs that feed images to files which may not say how, and how lists are given."""

import argparse


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """What a model says about its input and its classes, or the user in its place."""
    add = parser.add_argument
    add("--scale", metavar="X", type=float, help="multiply the images' values first")
    add("--mean", metavar="M,M", type=numbers, default=[], help="what the model says, or this: (x - mean) / std")
    add("--std", metavar="S,S", type=numbers, default=[], help="likewise")
    add("--classes", metavar="A,B", type=words, default=[], help="likewise")


def words(text: str) -> list[str]:
    """`a, b` as two words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[float]:
    """`1,2.5` as numbers."""
    return [float(word) for word in words(text)]


def integers(text: str) -> list[int]:
    """`0,3` as whole numbers."""
    return [int(word) for word in words(text)]
