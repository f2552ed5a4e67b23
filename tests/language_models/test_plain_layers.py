import weakref
from copy import deepcopy

import pytest
import torch

from ragtuned_kedro.language_models.plain_layers import speed_up_answers
from ragtuned_kedro.language_models.token_steps import TokenSteps
from tests.tiny_models import N_TOKENS, tiny_model

_PROMPTS = [[3, 4, 5, 6, 7, 8, 9], [10, 11], [12, 13, 14, 15]]


def _model(kind="llama", *, dtype=torch.float32, n_keys=2):
    return tiny_model(kind, dtype, num_key_value_heads=n_keys, initializer_range=0.2).eval()


def _both(**settings):
    model = _model(**settings)
    return model, speed_up_answers(deepcopy(model))


def _is_sped_up(model):
    return any("forward" in vars(module) for module in model.modules())


@torch.inference_mode()
def _said(model):
    """Logits of three steps; between them a row is left out and another one doubled."""
    steps = TokenSteps(model, _PROMPTS, pad_id=0)
    said = [steps.logits()]
    steps.say([20, 21, 22], [0, 0, 2])
    said.append(steps.logits())
    steps.say([23, 24], [1, 2])
    return [*said, steps.logits()]


@pytest.mark.parametrize("n_keys", [1, 2, 4])
def test_what_is_said_step_by_step_after_padding_is_what_the_models_own_layers_say(n_keys):
    plain, sped_up = _both(n_keys=n_keys)
    assert _is_sped_up(sped_up)
    for one, other in zip(_said(sped_up), _said(plain), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_row_without_padding_is_read_as_the_models_own_layers_read_it():
    plain, sped_up = _both()
    ids = torch.randint(N_TOKENS, (5, 17), generator=torch.Generator().manual_seed(1))
    read = [model.base_model(input_ids=ids, use_cache=True) for model in (sped_up, plain)]
    torch.testing.assert_close(read[0].last_hidden_state, read[1].last_hidden_state)
    for one, other in zip(*(each.past_key_values.layers for each in read), strict=True):
        torch.testing.assert_close(one.keys, other.keys)
        torch.testing.assert_close(one.values, other.values)


def test_in_bfloat16_the_numbers_are_as_near_to_those_of_float32_as_the_models_own():
    exact = _said(_model())
    plain, sped_up = _both(dtype=torch.bfloat16)
    far = [
        sum(float((one - other).square().mean()) for one, other in zip(said, exact, strict=True))
        for said in (_said(sped_up), _said(plain))
    ]
    assert far[0] < 1.3 * far[1]


def test_with_another_attention_a_model_stays_as_it_is():
    model = _model()
    model.set_attn_implementation("eager")
    assert not _is_sped_up(speed_up_answers(model))


def test_a_model_is_freed_as_soon_as_nobody_holds_it():
    model = speed_up_answers(_model())
    layers = [weakref.ref(one) for one in model.model.layers]
    del model
    assert [one() for one in layers] == [None] * len(layers)


def test_no_weight_is_held_twice():
    sped_up = speed_up_answers(_model())
    attention = sped_up.model.layers[0].self_attn
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    assert len({one.weight.untyped_storage().data_ptr() for one in parts}) == 1


@pytest.mark.parametrize("kind", ["qwen2", "qwen3"])
def test_layers_of_another_kind_stay_as_they_are(kind):
    assert not _is_sped_up(speed_up_answers(_model(kind)))
