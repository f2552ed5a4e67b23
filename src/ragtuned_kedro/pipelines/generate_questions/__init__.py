"""The graph becomes evaluation questions beside those by hand, and all of them one table."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
