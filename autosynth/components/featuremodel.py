"""A part that reads the features of another one, neither of them a network: `rocket > linear`.

The features are fitted first, and the part is fitted to what they give of the same rows. Both are
one piece: nothing else reads the features, and their cost is the sum of both.
"""

from torch import Tensor

from autosynth.components.fitted import FitRows, FittedFeatures, FittedModel


class FeatureModel(FittedModel):
    """Outputs of a part `end` that is fitted to the `features` of raw values."""

    def __init__(self, features: FittedFeatures, end: FittedModel) -> None:
        super().__init__()
        self.features, self.end = features, end
        self.takes_weights = end.takes_weights

    def forward(self, *raw: Tensor) -> Tensor:
        """Outputs (B, n_outputs)."""
        found: Tensor = self.end(self.features(*raw))
        return found

    def fit(self, it: FitRows) -> str:
        """Fit the features, and then what reads them in the time that they leave."""
        rows, cut = self.features.fit_features(it)
        return "; ".join(filter(None, (cut, self.end.fit(rows))))

    @property
    def flops(self) -> int:
        """Of the features, and of what reads them."""
        return self.features.feature_flops + self.end.flops

    @property
    def n_fitted(self) -> int:
        """What was fitted to true values; features are drawn, or follow from the rows alone."""
        return self.end.n_fitted
