"""What a teacher has cost, and whose text it was sent."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
