"""A table of features to what scikit-learn's models read: numbers, one-hot categories, TF-IDF.

Apart from `table.py`, since it loads scikit-learn, and who only names baselines needs none of it.
"""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from autosynth.baselines.table import Table, known_cells
from autosynth.spec import Array

# Of a text, for models that read no sparse features: boosting looks through every column in every
# round.
MAX_DIRECTIONS = 64


def linear_features(table: Table) -> ColumnTransformer:
    """Numbers standardised, gaps filled and marked; categories one-hot, the rare ones as one.

    Of texts the TF-IDF weights of tokens and pairs of them.
    """
    is_category = table.cardinalities[table.cells] > 0
    gaps = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    hot = OneHotEncoder(max_categories=64, handle_unknown="infrequent_if_exist")
    groups = [
        ("numbers", gaps, table.cells[~is_category]),
        ("categories", hot, table.cells[is_category]),
        *((f"text{i}", _weights(), columns) for i, columns in enumerate(table.texts)),
    ]
    return ColumnTransformer(groups, sparse_threshold=1.0 if table.texts else 0.0)


def dense_of(table: Table, seed: int) -> ColumnTransformer:
    """The known cells as they are; of texts the main directions of TF-IDF weights (LSA)."""
    groups: list[tuple[str, Any, Array]] = [("cells", "passthrough", known_cells(table))]
    for i, columns in enumerate(table.texts):
        directions = TruncatedSVD(_directions(table.x[:, columns]), random_state=seed)
        groups.append((f"text{i}", make_pipeline(_weights(), directions), columns))
    return ColumnTransformer(groups)


def _directions(codes: Array) -> int:
    """As many as there are weights, at most 64; enough tokens say so before all pairs are read."""
    if len(np.unique(codes)) > MAX_DIRECTIONS:
        return MAX_DIRECTIONS
    return min(MAX_DIRECTIONS, len(_weights().fit(codes).vocabulary_))


def _weights() -> TfidfVectorizer:
    return TfidfVectorizer(analyzer=_tokens_and_pairs, sublinear_tf=True)


def _tokens_and_pairs(codes: Array) -> list[int]:
    """The tokens of a text and its pairs of neighbours, each as one number."""
    tokens = codes[codes > 0].astype(np.int64)
    return [*tokens.tolist(), *(tokens[:-1] * 2**32 + tokens[1:]).tolist()]
