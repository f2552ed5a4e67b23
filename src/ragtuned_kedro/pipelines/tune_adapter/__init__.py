"""Training examples become an adapter."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
