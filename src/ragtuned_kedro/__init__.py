"""A Kedro project that turns a private text corpus into a language model that remembers it."""

__version__ = "0.1.0"
