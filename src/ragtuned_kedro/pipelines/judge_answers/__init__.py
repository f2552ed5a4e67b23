"""A judge compares the answers of the systems, where one is configured."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
