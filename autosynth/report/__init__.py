"""A run's picture and page, from what it left on disk."""

from autosynth.report.front import picture
from autosynth.report.page import page, report

__all__ = ["page", "picture", "report"]
