"""Types that many files name, each defined once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RowNumbers = NDArray[np.int64]
"""Numbers of rows in a dataset, (n,)."""
FittedInput = Mapping[str, Any]
"""What was fitted on training rows for one input, as JSON-able data."""
