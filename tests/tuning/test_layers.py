import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.tuning.attention import takes_packed
from ragtuned_kedro.tuning.layers import speed_up
from ragtuned_kedro.tuning.layout import pack, pad
from ragtuned_kedro.tuning.loss import summed_loss
from tests.tiny_models import tiny_model


def _tuned(dtype: torch.dtype, *, dropout: float = 0.0, kind: str = "llama") -> torch.nn.Module:
    model = tiny_model(kind, dtype)
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear")
    tuned = get_peft_model(model, lora)
    for name, one in tuned.named_parameters():
        if "lora_B" in name:  # zero at first, so that A would get no gradient
            torch.nn.init.normal_(one, std=0.1)
    return tuned.train()


def _chat(ids: list[int], is_target: list[bool], branches: tuple[int, ...] = ()) -> TokenizedChat:
    return TokenizedChat(tuple(ids), tuple(is_target), branches)


_CHATS = [
    _chat([1, 2, 3, *range(10 + n, 20 + 2 * n)], [False] * 8 + [True] * (n + 5)) for n in range(4)
]


def _loss_and_gradients(
    tuned: torch.nn.Module, chats: list[TokenizedChat] = _CHATS
) -> tuple[torch.Tensor, torch.Tensor]:
    model = tuned.get_base_model()
    if takes_packed(model):
        layout = pack(chats, device="cpu")
    else:
        layout = pad(chats, pad_id=0, dtype=model.dtype, device="cpu")
    loss = summed_loss(model, layout)
    trained = [one for one in tuned.parameters() if one.requires_grad]
    gradients = torch.autograd.grad(loss, trained)
    return loss.detach(), torch.cat([one.flatten() for one in gradients])


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_loss_and_gradients_are_those_of_the_layers_whose_place_they_take(kind):
    tuned = _tuned(torch.float32, kind=kind)
    loss, gradients = _loss_and_gradients(tuned)
    speed_up(tuned)
    assert takes_packed(tuned.get_base_model())
    faster_loss, faster = _loss_and_gradients(tuned)
    torch.testing.assert_close(faster_loss, loss)
    torch.testing.assert_close(faster, gradients, rtol=1e-4, atol=1e-6)


def test_in_bfloat16_the_gradients_differ_by_rounding_only_and_are_kept_in_float32():
    tuned = _tuned(torch.bfloat16)
    _, gradients = _loss_and_gradients(tuned)
    speed_up(tuned)
    _, faster = _loss_and_gradients(tuned)
    assert faster.dtype == torch.float32
    assert torch.cosine_similarity(faster, gradients, dim=0) > 0.995


def test_a_layer_with_dropout_keeps_its_own_computation():
    tuned = _tuned(torch.float32, dropout=0.5)
    speed_up(tuned)
    torch.manual_seed(0)
    first, _ = _loss_and_gradients(tuned)
    second, _ = _loss_and_gradients(tuned)
    assert first != second


@st.composite
def _some_chats(draw):
    tokens = st.lists(st.integers(3, 6), min_size=1, max_size=9)
    ids, branches = draw(tokens), []
    for _ in range(draw(st.integers(0, 3))):
        branches.append(len(ids))
        ids += draw(tokens)
    is_target = draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    return _chat(ids, is_target, tuple(branches))


@given(st.lists(_some_chats(), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_packed_or_padded_with_branches_or_without_the_numbers_are_the_same(chats):
    assume(any(any(chat.is_target[1:]) for chat in chats))
    tuned = _tuned(torch.float32)
    padded = _loss_and_gradients(tuned, chats)
    speed_up(tuned)
    packed = _loss_and_gradients(tuned, chats)
    torch.testing.assert_close(packed, padded, rtol=1e-3, atol=1e-4)
