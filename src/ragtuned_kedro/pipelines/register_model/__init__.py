"""The adapter becomes a version in the MLflow model registry."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
