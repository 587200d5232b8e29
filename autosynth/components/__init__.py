"""The component families, one a file, and the one dict that names them."""

from autosynth.components.attention import Attention
from autosynth.components.bag import BagFamily
from autosynth.components.cnn import CNN
from autosynth.components.family import Config, Family, Hyperparameter
from autosynth.components.forests import Boosting, Trees
from autosynth.components.linear import Linear
from autosynth.components.mlp import MLP
from autosynth.components.neighbours import Neighbours
from autosynth.components.pretrained import PretrainedFamily
from autosynth.components.recurrent import GRU, LSTM
from autosynth.components.rocketfamily import RocketFamily
from autosynth.components.seasonal import Seasonal
from autosynth.components.tfidf import Tfidf
from autosynth.components.transformer import Transformer
from autosynth.piece import Grid, Piece, Tokens
from autosynth.plugin import with_plugins

FAMILIES: dict[str, Family] = with_plugins(
    {
        family.name: family
        for family in (
            CNN(),
            GRU(),
            LSTM(),
            Transformer(),
            Attention(),
            MLP(),
            BagFamily(),
            PretrainedFamily(),
            Linear(),
            Boosting(),
            Trees(),
            RocketFamily(),
            Tfidf(),
            Seasonal(),
            Neighbours(),
        )
    },
    "autosynth.components",
    Family,
)

__all__ = ["FAMILIES", "Config", "Family", "Grid", "Hyperparameter", "Piece", "Tokens"]
