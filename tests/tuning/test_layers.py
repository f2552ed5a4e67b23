import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import scaled_dot_product_attention
from transformers import LlamaConfig, LlamaForCausalLM

from ragtuned_kedro.tuning.layers import attend_causally, speed_up


def _tuned(dtype: torch.dtype, *, dropout: float = 0.0) -> torch.nn.Module:
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=90,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    )
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear")
    tuned = get_peft_model(model.to(dtype).requires_grad_(False), lora)
    for name, one in tuned.named_parameters():
        if "lora_B" in name:  # zero at first, so that A would get no gradient
            torch.nn.init.normal_(one, std=0.1)
    return tuned.train()


def _loss_and_gradients(tuned: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(90, (3, 11), generator=torch.Generator().manual_seed(5))
    loss = tuned(input_ids=ids, labels=ids, use_cache=False).loss
    trained = [one for one in tuned.parameters() if one.requires_grad]
    gradients = torch.autograd.grad(loss, trained)
    return loss.detach(), torch.cat([one.flatten() for one in gradients])


def test_loss_and_gradients_are_those_of_the_layers_whose_place_they_take():
    tuned = _tuned(torch.float32)
    loss, gradients = _loss_and_gradients(tuned)
    speed_up(tuned)
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


def test_no_position_sees_what_comes_after_it():
    query, key, value = torch.randn(3, 1, 4, 6, 8).unbind(0)
    seen, _ = attend_causally(None, query, key[:, :2], value[:, :2], None, scaling=0.3)
    changed = value[:, :2].clone()
    changed[:, :, 4:] += 1
    again, _ = attend_causally(None, query, key[:, :2], changed, None, scaling=0.3)
    torch.testing.assert_close(again[:, :4], seen[:, :4])
    assert not torch.allclose(again[:, 4:], seen[:, 4:])


def test_a_mask_takes_the_place_of_the_causal_one():
    torch.manual_seed(1)
    query, key, value = torch.randn(3, 2, 4, 6, 8).unbind(0)
    key, value = key[:, :2], value[:, :2]
    is_seen = torch.rand(2, 1, 6, 6) > 0.5
    is_seen |= torch.eye(6, dtype=torch.bool)
    mask = torch.zeros(2, 1, 6, 6).masked_fill(~is_seen, float("-inf"))
    seen, _ = attend_causally(None, query, key, value, mask, scaling=0.3)
    expected = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    torch.testing.assert_close(seen, expected.transpose(1, 2), rtol=1e-4, atol=1e-5)
