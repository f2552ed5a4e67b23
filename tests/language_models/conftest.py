from tests.tuning.conftest import toy_model

__all__ = ["toy_model"]
