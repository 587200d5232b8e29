"""How large what a file holds may become, in one place.

A file of some kilobytes may say that it holds gigabytes. What it declares is compared with these
limits before it is read, and what it declares nothing of is counted while it is read. Each is
raised, or lowered, by an environment variable; `LIMITS` are all of them.
"""

import os
from dataclasses import dataclass

from autosynth.data.source.memory import most_in_memory
from autosynth.errors import ConfigError, DataError

_MB = 2**20
# A text of one character repeated takes a thousandth as gzip; tables of measurements take a fifth
# to a twentieth, sparse ones a hundredth. What is small unpacked is harmless whatever its ratio.
_RATIO = 200


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most of something, which an environment variable overrides.

    `most` are megabytes, or pieces where `counts`. With `ratio`, so many times the size of the
    packed file are allowed as well.
    """

    what: str
    variable: str
    most: int
    ratio: int = 0
    counts: bool = False

    def allowed(self, packed: int = 0, *, in_memory: bool = False) -> int:
        """The most bytes, or pieces, of a file of so many bytes.

        With `in_memory`, no more than a quarter of memory, unless the user says so.

        Raises:
            ConfigError: the environment variable holds no number.
        """
        unit = 1 if self.counts else _MB
        own = os.environ.get(self.variable)
        if own is None:
            most = max(self.most * unit, self.ratio * packed)
            return min(most, most_in_memory()) if in_memory else most
        if not (own.isascii() and own.isdecimal()):
            things = self.what if self.counts else "megabytes"
            raise ConfigError(
                f"{self.variable} is {own!r}; it holds a whole number of {things}, as {self.most}."
            )
        return int(own) * unit

    def check(
        self, found: int, place: str, packed: int = 0, *, in_memory: bool = False, cure: str = ""
    ) -> None:
        """Raise `DataError` where `place` holds more than may be.

        Args:
            found: bytes, or pieces.
            place: the file, for the message.
            packed: its size.
            in_memory: as `allowed`.
            cure: how else the content may be given, for the message.
        """
        most = self.allowed(packed, in_memory=in_memory)
        if found > most:
            ratio = f", or {self.ratio} times the file's size" if self.ratio else ""
            held = f"{found:,}" if self.counts else f"{found / _MB:,.0f} MB or more"
            limit = f"{most:,}" if self.counts else f"{most / _MB:,.0f} MB"
            default = f"{self.most:,}" if self.counts else f"{self.most:,} MB"
            more = self.what if self.counts else "megabytes"
            raise DataError(
                f"{place} holds {held} {self.what}; at most {limit} are read (by default "
                f"{default}{ratio}). {cure}{' ' if cure else ''}If the file is sound, allow more "
                f"{more} with the environment variable {self.variable}."
            )


UNPACKED = Limit(what="unpacked", variable="AUTOSYNTH_UNPACKED_MB", most=256, ratio=_RATIO)
DOWNLOADED = Limit(what="to download", variable="AUTOSYNTH_DOWNLOAD_MB", most=4096)
# The ratio is to the values of series, of which padding makes more.
PADDED = Limit(what="padded to one length", variable="AUTOSYNTH_PADDED_MB", most=1024, ratio=8)
# A book has 1 MB. What is read by lines or cells is in memory several times meanwhile.
LINE = Limit(what="in one line or cell", variable="AUTOSYNTH_LINE_MB", most=64)
# Tables of genes have 60,000; each column costs a millisecond of looking at.
COLUMNS = Limit(what="columns", variable="AUTOSYNTH_COLUMNS", most=100_000, counts=True)
# ImageNet has 1.3 million files, and nobody zips it whole.
MEMBERS = Limit(what="files", variable="AUTOSYNTH_MEMBERS", most=1_000_000, counts=True)
# Each cell of a sheet is an object of Python while it is read: 1 to 2 GB in all.
SHEET_CELLS = Limit(what="cells", variable="AUTOSYNTH_SHEET_CELLS", most=20_000_000, counts=True)
# As Pillow has it, 89 million. What is transparent takes 15 bytes a pixel while it is put on
# white, 1.3 GB at most.
PIXELS = Limit(what="pixels", variable="AUTOSYNTH_PIXELS", most=2**30 // 12, counts=True)

LIMITS = (UNPACKED, DOWNLOADED, PADDED, LINE, COLUMNS, MEMBERS, SHEET_CELLS, PIXELS)
"""All of them, as the README lists them."""
