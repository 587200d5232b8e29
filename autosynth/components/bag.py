"""Bag: the tokens of a text and phrases of them, in no order. The cheapest reader of text.

Every token and phrase has a vector; a text is their sum over the square root of their number. The
vectors start from how much oftener each stands in rows of a class than in others, which by itself
is a strong classifier where texts are few (Wang and Manning, 2012, "Baselines and bigrams: simple,
good sentiment and topic classification"), and are learnt from there (Li et al., 2016, "Weighted
neural bag-of-n-grams model").
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.family import Config, Family, Hyperparameter
from autosynth.piece import Grid, Piece, Stem, Tokens
from autosynth.spec import InputSpec

# Of phrases, which fall into one by their hash (Weinberger et al., 2009, arXiv:0902.2206). At the
# width of 16 their vectors are 4 MB; fewer would mix up more phrases.
BUCKETS = 2**16
# Texts that are counted at once: what is gathered of them is as long as all of their phrases.
TEXTS_AT_ONCE = 512
# 2**16 over the golden ratio, as Knuth's multiplicative hash has it.
_FACTOR = 40_503


def n_vectors(codes: int, ngram: int) -> int:
    """One a code, and one a bucket of phrases where there are any."""
    return codes + (BUCKETS if ngram > 1 else 0)


class Bag(Stem):
    """Codes (B, T), 0 after the end of a text, to one token (B, 1, width)."""

    cuts = True

    def __init__(self, codes: int, width: int, ngram: int) -> None:
        super().__init__()
        self.codes, self.ngram = codes, ngram
        self.vectors = nn.Parameter(torch.randn(n_vectors(codes, ngram), width) * 0.1)

    def fit(self, raw: Tensor) -> None:
        """Nothing: codes have no scale."""

    def initialise_from_targets(self, raw: Tensor, indicators: Tensor) -> None:
        """Start from the logarithms of what outcomes (B, columns) make of each token's odds.

        Counts are raised by one (Laplace). What an outcome says of tokens never met is zero. With
        more columns than channels, channels are random sums of them.
        """
        places, met = self._places(raw)
        columns = indicators.shape[1]
        counts = torch.zeros(len(self.vectors), columns + 1)
        weights = torch.cat((indicators, torch.ones(len(raw), 1)), 1)
        for chunk in torch.split(torch.arange(len(raw)), TEXTS_AT_ONCE):
            rows, column = met[chunk].nonzero(as_tuple=True)
            counts.index_add_(0, places[chunk][rows, column], weights[chunk][rows])
        found, total = counts[:, :-1] + 1, counts[:, -1:] + 2
        other = total - found
        ratio = (found / found.sum(0)).log() - (other / other.sum(0)).log()
        ratio = torch.where(counts[:, -1:] > 0, ratio, 0.0)
        width = self.vectors.shape[1]
        if columns > width:
            same = torch.Generator().manual_seed(0)  # one seed gives one board
            ratio = ratio @ (torch.randn(columns, width, generator=same) * columns**-0.5)
        with torch.no_grad():
            self.vectors.copy_(F.pad(ratio, (0, max(0, width - columns))))

    def forward(self, raw: Tensor) -> Tokens:
        """One token: nothing is masked."""
        places, met = self._places(raw)
        x = F.embedding(places, self.vectors)
        weight = met.to(x.dtype).unsqueeze(2)
        size = weight.sum(1, keepdim=True).clamp(min=1).sqrt()
        return (x * weight).sum(1, keepdim=True) / size, None

    def _places(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of `vectors` of a text's tokens and phrases, and which of them are there."""
        codes = phrase = raw.long()
        places, met = [codes], [codes > 0]
        for more in range(1, min(self.ngram, raw.shape[1])):
            phrase = (phrase[:, :-1] * _FACTOR + codes[:, more:]) % BUCKETS
            places.append(phrase + self.codes)
            met.append(codes[:, more:] > 0)
        return torch.cat(places, 1), torch.cat(met, 1)


class BagFamily(Family):
    """A bag of tokens and phrases."""

    name = "bag"
    about = "tokens of a text and phrases of them, in no order, from what they say of the target"
    reads = ("text",)
    options = {
        # A channel for each class of most sets; of more classes, channels are random sums.
        "width": Hyperparameter(
            about="channels of the one token it leaves", default=16, low=2, high=4096
        ),
        # Pairs: on trec, sst2 and airline_tweets it then equals the best network or is better, by
        # validation rows, for the FLOPs of its head.
        "ngram": Hyperparameter(about="tokens of its longest phrases", default=2, low=1, high=5),
    }

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """One token."""
        return (1,)

    def stem(self, config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
        """All that it is. Sums are no multiply-adds, so that it costs nothing but its head."""
        codes, width, ngram = spec.cardinalities[0], int(config["width"]), int(config["ngram"])
        params = n_vectors(codes, ngram) * width
        piece = Piece(lambda: Bag(codes, width, ngram), 0, params, tied=(codes, ngram))
        return piece, (1,), width

    def mixer(self, config: Config, index: int, grid: Grid) -> None:
        """Never asked for: it has no blocks."""
