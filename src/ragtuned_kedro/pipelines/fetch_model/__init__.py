"""The base model becomes a folder on this machine."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
