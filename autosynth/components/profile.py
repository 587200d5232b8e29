"""What is known of an image's network before it is built: its cost, and the map that it leaves."""

from typing import NamedTuple


class ImageModelProfile(NamedTuple):
    """The cost of the first stages for one image, and the square map of features they give."""

    flops: int
    params: int
    side: int
    width: int
