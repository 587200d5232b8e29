"""What a user asks of the reading of data, beside the source itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autosynth.data.spec import Task


@dataclass(frozen=True, kw_only=True)
class Request:
    """See `load` for what each field means; empty for what is not asked."""

    target: tuple[str, ...] = ()
    task: Task | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    time: str | None = None
    seed: int = 0

    @property
    def of_columns(self) -> list[str]:
        """The options in use that name columns."""
        named = {
            "--drop": self.drop, "--keep": self.keep, "--column": self.columns,
            "--group": self.group, "--time": self.time,
        }  # fmt: skip
        return [option for option, value in named.items() if value]
