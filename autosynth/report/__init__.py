"""A run's picture and page, from what it left on disk."""

from autosynth.report.page import page, report

__all__ = ["page", "report"]
