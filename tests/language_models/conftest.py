import pytest

from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.weights import Quantization, load_weights
from tests.tuning.conftest import toy_model

__all__ = ["toy_model"]


@pytest.fixture(scope="module")
def model(toy_model):
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    return load_weights(toy_model, quantization=plain, device="cpu")


@pytest.fixture(scope="module")
def chat(toy_model):
    return load_chat(toy_model.path)
