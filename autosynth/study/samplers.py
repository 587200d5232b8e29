"""The samplers there are, by name: all of them Optuna samplers that any study can use.

Each is made of the same two functions, what may be chosen and what that costs, and a seed. Those
that know nothing of a cost leave it out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler

from autosynth.study.chosen import AskAll, KnownCost
from autosynth.study.evolution import EvolutionSampler
from autosynth.study.knowncost import KnownCostSampler
from autosynth.study.reinforce import ReinforceSampler
from autosynth.study.storage import tpe_sampler

MakeSampler = Callable[[AskAll, KnownCost, int], BaseSampler]


@dataclass(frozen=True, kw_only=True)
class SamplerKind:
    """One way to propose trials: its name, what it does in a few words, and how it is made."""

    name: str
    about: str
    make: MakeSampler


SAMPLERS: Mapping[str, SamplerKind] = {
    kind.name: kind
    for kind in (
        SamplerKind(
            name="random",
            about="draws everything by chance",
            make=lambda choose, cost, seed: RandomSampler(seed=seed),
        ),
        SamplerKind(
            name="tpe",
            about="Optuna's tree-structured Parzen estimators of both objectives",
            make=lambda choose, cost, seed: tpe_sampler(seed),
        ),
        SamplerKind(
            name="nsga2",
            about="Optuna's genetic algorithm of non-dominated sorting",
            make=lambda choose, cost, seed: NSGAIISampler(seed=seed, population_size=20),
        ),
        SamplerKind(
            name="evolution",
            about="changes a good one of the latest trials",
            make=lambda choose, cost, seed: EvolutionSampler(choose, cost, seed=seed),
        ),
        SamplerKind(
            name="reinforce",
            about="a controller that learns by policy gradient what to answer",
            make=lambda choose, cost, seed: ReinforceSampler(choose, cost, seed=seed),
        ),
        SamplerKind(
            name="model",
            about="models the error, computes the cost, and takes the largest expected gain",
            make=lambda choose, cost, seed: KnownCostSampler(choose, cost, seed=seed),
        ),
    )
}
