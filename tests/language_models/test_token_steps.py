import pytest
import torch

from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.token_steps import TokenSteps
from ragtuned_kedro.language_models.weights import Quantization, load_weights

PROMPTS = [[3, 4, 5, 6], [7, 8], [9, 10, 11]]
# Tokens, and the rows that they follow: all; one twice, in another order; two fewer; one alone.
SAID = [([5, 6, 7], [0, 1, 2]), ([8, 9, 3, 4], [0, 2, 2, 1]), ([3, 4], [3, 1]), ([5], [1])]


@pytest.fixture
def model(toy_model):
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    return load_weights(toy_model, quantization=plain, device="cpu")


def steps_of(model, toy_model) -> TokenSteps:
    pad_id = load_chat(toy_model.path).pad_id
    return TokenSteps(model, PROMPTS, pad_id=pad_id)


@torch.inference_mode()
def test_every_step_shows_what_reading_each_row_from_its_beginning_shows(model, toy_model):
    steps = steps_of(model, toy_model)
    rows = PROMPTS
    for tokens, parents in [*SAID, ([], [])]:
        alone = [model(torch.tensor([row])).logits[0, -1] for row in rows]
        torch.testing.assert_close(steps.logits(), torch.stack(alone), rtol=1e-4, atol=1e-5)
        if tokens:
            steps.say(tokens, parents)
            rows = [[*rows[at], token] for at, token in zip(parents, tokens, strict=True)]


@torch.inference_mode()
def test_the_output_head_is_multiplied_as_one_matrix(model, toy_model):
    """A strided input would have torch copy the head for each row: 1.8 GB for 32 rows."""
    head = model.get_output_embeddings()
    seen = []
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    steps_of(model, toy_model).logits()
    hook.remove()
    assert seen[0].shape[:2] == (len(PROMPTS), 1)
    assert seen[0].is_contiguous()
