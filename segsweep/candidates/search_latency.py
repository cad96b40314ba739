"""How long the file that a search chose takes, beside those it is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass

from segsweep.candidates.claim import Claim
from segsweep.candidates.goal import Found
from segsweep.candidates.problem import Problem
from segsweep.candidates.trial import Candidate, make
from segsweep.durations import milliseconds
from segsweep.evaluation.latency import Latency, cpu_name, measure_latency
from segsweep.quantization.recipe import LayerChoice, Recipe

CHOSEN = "chosen"
_COMPARED = ("int8", "float32")


@dataclass(frozen=True)
class _Patience:
    warmup_runs: int = 3
    runs: int = 100
    seconds: float = 2.0
    """Of a file; 5 invokes at least."""


def search_latencies(found: Found, claimed: Claim, problem: Problem) -> Mapping[str, Latency]:
    """Latencies of the chosen file and, where they could be made, of plain int8 and float32, on this host."""
    files = {CHOSEN: claimed.content}
    for name in _COMPARED:
        if name in found.plain:
            plain = Recipe({layer.name: LayerChoice(name) for layer in found.layers})
            files[name] = make(Candidate(plain), problem)
    return {name: measure_latency(content, _Patience()) for name, content in files.items()}


def latency_text(latencies: Mapping[str, Latency]) -> str:
    """In words, one line."""
    others = ", ".join(f"{name} {_ms(each)}" for name, each in latencies.items() if name != CHOSEN)
    against = f" ({others})" if others else ""
    return f"Latency of one image, one thread, {cpu_name()}: {_ms(latencies[CHOSEN])}{against}.\n"


def _ms(latency: Latency) -> str:
    return f"{milliseconds(latency.p50_ms)} ms"
