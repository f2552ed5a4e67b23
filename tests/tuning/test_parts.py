import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.language_models.weights import Quantization, load_weights
from ragtuned_kedro.tuning.adapter import LoraShape, attach_adapter
from ragtuned_kedro.tuning.attention import takes_packed
from ragtuned_kedro.tuning.batches import plan_epoch
from ragtuned_kedro.tuning.gradients import Learner
from ragtuned_kedro.tuning.layout import pack, pad
from ragtuned_kedro.tuning.loss import summed_loss
from ragtuned_kedro.tuning.schedule import learning_rate_at


def _padded(chats):
    return pad(chats, pad_id=0, dtype=torch.float32, device="cpu")


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=300), st.integers(1, 16), st.integers(0, 9)
)
def test_an_epoch_shows_every_example_once(lengths, batch_size, seed):
    plan = plan_epoch(tuple(lengths), batch_size=batch_size, seed=seed, epoch=0)
    assert sorted(index for batch in plan for index in batch) == list(range(len(lengths)))
    assert len(plan) == -(-len(lengths) // batch_size)


def test_epochs_differ_and_the_same_epoch_does_not():
    first, again, second = (
        plan_epoch(tuple(range(100)), batch_size=8, seed=3, epoch=epoch) for epoch in (0, 0, 1)
    )
    assert first == again
    assert first != second


def test_batches_waste_little_on_padding():
    lengths = tuple(20 + place % 41 for place in range(2000))
    plan = plan_epoch(lengths, batch_size=16, seed=0, epoch=0)
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in plan)
    assert padded < 1.05 * sum(lengths)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_its_final_share():
    rates = [
        learning_rate_at(step, n_steps=20, peak=2.0, warmup_share=0.2, final_share=0.1)
        for step in range(20)
    ]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(0.2)


def test_only_answers_are_counted_and_padding_changes_nothing(toy_model):
    model = load_weights(
        toy_model,
        quantization=Quantization(kind="none", double_quant=False, compute_dtype="float32"),
        device="cpu",
    )
    short = TokenizedChat(ids=(1, 9, 8, 7), is_target=(False, False, True, True))
    long = TokenizedChat(ids=(1, 5, 6, 7, 8, 9), is_target=(False,) * 5 + (True,))
    padded = _padded([short, long])
    together = summed_loss(model, padded)
    logits = [model(input_ids=torch.tensor([chat.ids])).logits[0] for chat in (short, long)]
    alone = cross_entropy(logits[0][1:3], torch.tensor([8, 7]), reduction="sum") + cross_entropy(
        logits[1][4:5], torch.tensor([9]), reduction="sum"
    )
    torch.testing.assert_close(together, alone)
    # A model that scales its own logits goes another way to the same numbers.
    model.config.logit_scale = 1.0
    torch.testing.assert_close(summed_loss(model, padded), alone)


def test_a_loss_in_portions_has_the_gradients_of_the_whole(toy_model, monkeypatch):
    monkeypatch.setattr("ragtuned_kedro.tuning.loss._PORTION", 2)
    model = load_weights(
        toy_model,
        quantization=Quantization(kind="none", double_quant=False, compute_dtype="float32"),
        device="cpu",
    )
    weight = model.model.layers[0].mlp.up_proj.weight.requires_grad_()
    is_target = (False,) * 3 + (True,) * 4
    padded = _padded([TokenizedChat(tuple(range(at, at + 7)), is_target) for at in (3, 10)])
    in_portions = torch.autograd.grad(summed_loss(model, padded) / 3, weight)
    model.config.logit_scale = 1.0
    whole = torch.autograd.grad(summed_loss(model, padded) / 3, weight)
    torch.testing.assert_close(in_portions, whole)


@pytest.mark.parametrize("is_sped_up", [False, True])
def test_branches_do_not_see_each_other(toy_model, is_sped_up):
    quantization = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    model = load_weights(toy_model, quantization=quantization, device="cpu")
    if is_sped_up:
        model = attach_adapter(model, LoraShape(2, 4, 0.0, "all-linear"), seed=0).get_base_model()
    assert takes_packed(model) == is_sped_up
    stem, branches = (5, 6, 7), [(8, 9), (10, 11, 12), (13, 3, 4, 14)]
    together = TokenizedChat(
        (*stem, *branches[0], *branches[1], *branches[2]),
        (False,) * 3 + (False, True) + (False, False, True) + (False, True, False, True),
        (3, 5, 8),
    )
    alone = [
        TokenizedChat((*stem, *branches[0]), (False,) * 4 + (True,)),
        TokenizedChat((*stem, *branches[1]), (False,) * 5 + (True,)),
        TokenizedChat((*stem, *branches[2]), (False,) * 4 + (True, False, True)),
    ]
    plain = TokenizedChat((1, 5, 6, 7), (False, False, False, True))
    learner = Learner(model, {"": next(model.parameters())}, pad_id=0)
    apart = [learner.mean_loss([chat], batch_size=1) for chat in (*alone, plain)]
    n_targets = [1, 1, 2, 1]
    # A chat without branches in the same batch stays what it is.
    joined = learner.mean_loss([together, plain], batch_size=2)
    assert joined == pytest.approx(
        sum(loss * n for loss, n in zip(apart, n_targets, strict=True)) / 5, rel=1e-4
    )
    seen = learner.mean_loss([dataclasses.replace(together, branches=())], batch_size=1)
    assert seen != pytest.approx(learner.mean_loss([together], batch_size=1), rel=1e-4)


def test_a_choice_among_tokens_leaves_the_others_out_of_account(toy_model):
    quantization = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    model = load_weights(toy_model, quantization=quantization, device="cpu")
    padded = _padded([TokenizedChat(ids, (False, False, True)) for ids in ((5, 6, 9), (7, 8, 4))])
    logits = model(input_ids=padded.ids).logits[:, 1][:, [4, 9]]
    expected = cross_entropy(logits, torch.tensor([1, 0]), reduction="sum")
    among = torch.tensor([4, 9])
    torch.testing.assert_close(summed_loss(model, padded, among=among), expected)
    model.config.logit_scale = 1.0
    torch.testing.assert_close(summed_loss(model, padded, among=among), expected)


def _chat(ids, targets, branches=()):
    return TokenizedChat(tuple(ids), tuple(at in targets for at in range(len(ids))), branches)


def test_packed_chats_hold_what_they_share_once_and_nothing_that_no_target_needs():
    one, other = _chat([1, 2, 5, 6, 7], {3, 4}), _chat([1, 2, 8, 9, 3, 4], {4})
    packed = pack([one, other], device="cpu")
    # Shared, then what each goes on with: no last target, and not what follows the other's.
    # What fills the row up stands in four parts.
    filling = [at for n in (14, 14, 15, 15) for at in range(n)]
    assert packed.ids.tolist() == [[1, 2, 5, 6, 8, 9, *[0] * 58]]
    assert packed.known["position_ids"].tolist() == [[0, 1, 2, 3, 2, 3, *filling]]
    assert packed.targets.tolist() == [6, 7, 3]
    assert packed.places.tolist() == [2, 3, 5]


@given(st.lists(st.integers(2, 90), min_size=1, max_size=8))
def test_packed_rows_are_of_few_lengths(lengths):
    packed = pack([_chat([9] * n, {n - 1}) for n in lengths], device="cpu")
    assert packed.ids.shape[1] % 64 == 0
    # What fills a row up predicts nothing.
    assert max(packed.places.tolist()) < sum(lengths)


def test_one_place_predicts_what_follows_in_every_chat():
    packed = pack([_chat([1, 2, 5], {2}), _chat([1, 2, 6], {2})], device="cpu")
    assert packed.ids.tolist() == [[1, 2, *[0] * 62]]
    assert (packed.places.tolist(), packed.targets.tolist()) == ([1, 1], [5, 6])
