"""Question files become evaluation queries."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
