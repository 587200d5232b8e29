"""Families whose parts are forests: gradient boosting and extra trees, on all features."""

from abc import abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.components.forest import Forest, Link, forest_flops
from autosynth.modality import MODALITIES
from autosynth.modality.registry import features_of
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec
from autosynth.task.task import task_of

_FITTER = "autosynth.components.forestfitter"


class ForestModel(FittedModel):
    """A forest a target on the features of all inputs, side by side."""

    takes_weights = True

    def __init__(
        self,
        inputs: Sequence[InputSpec],
        target: TargetSpec,
        links: Sequence[Link],
        fitter: str,
        settings: Config,
    ) -> None:
        super().__init__()
        self.inputs, self.target = tuple(inputs), target
        self.fitter, self.settings = fitter, dict(settings)
        self.cards = [card for spec in inputs for card in MODALITIES[spec.kind].cards(spec)]
        parts = [part for part, _, _ in target.fields]
        self.forests = nn.ModuleList(
            Forest(len(self.cards), part.n_outputs, link)
            for part, link in zip(parts, links, strict=True)
        )

    def forward(self, *raw: Tensor) -> Tensor:
        """Outputs (B, n_outputs)."""
        x = features_of(raw, self.inputs)
        found = [forest(x) for forest in self.forests]
        return found[0] if len(found) == 1 else torch.cat(found, 1)

    @torch.no_grad()
    def fit(self, it: FitRows) -> str:
        """Fit a forest a target, each with its share of the time that is left."""
        load: Any = import_module(_FITTER)  # late: it brings scikit-learn
        x = torch.cat([features_of(part, self.inputs) for part in it.parts()]).numpy()
        y, cuts = it.y.cpu().numpy(), []
        weights = None if it.weights is None else it.weights.cpu().double().numpy()
        fields = self.target.fields
        for i, (part, _, columns) in enumerate(fields):
            own = y if len(fields) == 1 else y[:, columns]
            own = own[:, 0] if own.ndim == 2 and own.shape[1] == 1 else own
            known = ~np.isnan(own.reshape(len(own), -1).astype(np.float64)).all(1)
            rows = load.ForestRows(
                x=x[known],
                cardinalities=np.asarray(self.cards),
                y=own[known].astype(np.int64) if part.is_coded else own[known],
                task=forest_task(part),
                n_classes=part.n_outputs,
                weights=None if weights is None else weights[known],
            )
            deadline = it.deadline.within(it.deadline.left / (len(fields) - i))
            fitted = getattr(load, self.fitter)(
                rows, seed=it.seed, threads=it.threads, deadline=deadline, **self.settings
            )
            self.forests[i] = fitted.forest
            cuts += [fitted.cut] if fitted.cut else []
        return "; ".join(cuts)

    @property
    def n_fitted(self) -> int:
        """A threshold a comparison, and the values of leaves; equal leaves are kept once."""
        found = [
            (len(each.threshold) - each.n_trees) // 2 + each.value.numel() for each in self._all()
        ]
        return sum(found)

    def _all(self) -> list[Forest]:
        return [each for each in self.forests if isinstance(each, Forest)]

    @property
    def flops(self) -> int:
        """Comparisons on the longest way through every tree, 1 FLOP each."""
        return sum(each.flops for each in self._all())


def forest_task(target: TargetSpec) -> str:
    """What a forest calls the values of one target."""
    if target.is_coded:
        return "classes"
    return "values" if task_of(target).is_standardised else "labels"


class ForestFamily(FittedFamily):
    """A family of forests. A part has one for each target."""

    kinds = ("table", "image", "series", "audio", "frames")
    tasks = ("classification", "regression", "multilabel", "multitask")
    draws = True
    fitter: ClassVar[str]
    """The name of the function that fits them, in the file that brings scikit-learn."""

    @abstractmethod
    def most(self, config: Config, target: TargetSpec) -> tuple[int, int]:
        """The most comparisons of a row for one target, and the most numbers that are fitted."""

    @abstractmethod
    def link(self, target: TargetSpec) -> Link:
        """What its forests give of one target."""

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model, with the most that a row may cost; as fitted, it says exactly."""
        parts = [part for part, _, _ in target.fields]
        flops, params = map(sum, zip(*(self.most(config, part) for part in parts), strict=True))
        links = [self.link(part) for part in parts]
        settings = {name: config[name] for name in self.options}
        make = lambda: ForestModel(inputs, target, links, self.fitter, settings)  # noqa: E731
        return Piece(make, flops, params, learns="fit")


class Boosting(ForestFamily):
    """Histogram gradient boosting (Ke et al., 2017, LightGBM), as scikit-learn has it."""

    name = "boosting"
    about = "gradient boosting of trees on all features, by scikit-learn"
    options = {
        "rounds": Hyperparameter(about="trees for every output", default=100, low=1, high=5000),
        "leaves": Hyperparameter(about="leaves of a tree at most", default=31, low=2, high=255),
        "rate": Hyperparameter(
            about="the share of what a tree found that is added (learning rate)",
            default=0.1,
            low=0.001,
            high=1.0,
            whole=False,
        ),
    }
    fitter = "fit_boosted_forest"

    def most(self, config: Config, target: TargetSpec) -> tuple[int, int]:
        """A tree a round and output; of two classes one output is boosted."""
        leaves = int(config["leaves"])
        k = 1 if target.is_coded and target.n_outputs == 2 else target.n_outputs
        trees = k * int(config["rounds"])
        values = leaves * target.n_outputs // k  # of a leaf, one an output that its tree speaks of
        return forest_flops(trees, leaves=leaves), trees * (leaves - 1 + values)

    def link(self, target: TargetSpec) -> Link:
        """Logits and values as they are."""
        return "identity"


class Trees(ForestFamily):
    """Extremely randomised trees (Geurts, Ernst and Wehenkel, 2006), as scikit-learn has them."""

    name = "trees"
    about = "extra trees on all features, by scikit-learn: the mean of many, each by chance"
    options = {
        "trees": Hyperparameter(about="how many", default=100, low=1, high=5000),
        "depth": Hyperparameter(about="comparisons of a row at most", default=20, low=1, high=64),
    }
    fitter = "fit_extra_trees"

    def most(self, config: Config, target: TargetSpec) -> tuple[int, int]:
        """Each tree serves all outputs, and has a leaf for every way through it at most."""
        trees, depth = int(config["trees"]), int(config["depth"])
        return forest_flops(trees, depth=depth), trees * 2**depth * (1 + target.n_outputs)

    def link(self, target: TargetSpec) -> Link:
        """Shares of classes and labels as their logarithms and logits."""
        names: dict[str, Link] = {"classes": "log", "labels": "logit", "values": "identity"}
        return names[forest_task(target)]
