"""How large what a file or a server holds may become, in one place.

A file of some kilobytes may say that it holds gigabytes. What it declares is compared with these
limits before it is read, and what it declares nothing of is counted while it is read.
"""

import os
from dataclasses import dataclass

from autosynth.errors import ConfigError, DataError

_MB = 2**20
# A text of one character repeated takes a thousandth as gzip; tables of measurements take a fifth
# to a twentieth, sparse ones a hundredth. What is small unpacked is harmless whatever its ratio.
_RATIO = 200


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most megabytes of something, which an environment variable overrides.

    With `ratio`, so many times the size of the packed file are allowed as well.
    """

    what: str
    variable: str
    megabytes: int
    ratio: int = 0

    def bytes(self, packed: int = 0) -> int:
        """The most bytes, of a file of so many.

        Raises:
            ConfigError: the environment variable holds no number of megabytes.
        """
        own = os.environ.get(self.variable)
        if own is None:
            return max(self.megabytes * _MB, self.ratio * packed)
        if not own.isdecimal():
            raise ConfigError(
                f"{self.variable} is {own!r}; it holds a whole number of megabytes, as 4096."
            )
        return int(own) * _MB

    def check(self, n_bytes: int, place: str, packed: int = 0) -> None:
        """Raises `DataError` where `place` holds more bytes than may be."""
        most = self.bytes(packed)
        if n_bytes > most:
            ratio = f", or {self.ratio} times the file's size" if self.ratio else ""
            raise DataError(
                f"{place} holds {n_bytes / _MB:,.0f} MB or more {self.what}; at most "
                f"{most / _MB:,.0f} MB are read (by default {self.megabytes:,} MB{ratio}). If the "
                f"file is sound, allow more megabytes with the environment variable "
                f"{self.variable}."
            )


UNPACKED = Limit(what="unpacked", variable="AUTOSYNTH_UNPACKED_MB", megabytes=256, ratio=_RATIO)
DOWNLOADED = Limit(what="to download", variable="AUTOSYNTH_DOWNLOAD_MB", megabytes=4096)
MOST_MEMBERS = 1_000_000
"""Files in an archive; ImageNet has 1.3 million, and nobody zips it whole."""
MOST_CELLS = 20_000_000
"""Cells of a sheet: each is an object of Python while it is read, 1 to 2 GB in all."""
