import pytest
import torch

from ragtuned_kedro.language_models import kept_texts
from ragtuned_kedro.language_models.kept_texts import KeptTexts
from ragtuned_kedro.language_models.rereading import token_log_probabilities

TEXTS = [[3, 4, 5, 6], [7, 8], list(range(20, 45))]
PAIRS = [(text, rest) for text in TEXTS for rest in ([9, 10, 11], [12], list(range(50, 61)))] * 5


def count_tokens(model, monkeypatch):
    """Count the tokens that the model reads, padding left out of account."""
    read = []
    body = model.base_model
    forward = body.forward

    def listen(*args, **inputs):
        read.append(inputs["input_ids"].numel())
        return forward(*args, **inputs)

    monkeypatch.setattr(body, "forward", listen)
    return read


@pytest.mark.parametrize(("between", "then"), [((), ()), ((), (13, 14)), ((15, 16), (13, 14))])
def test_reading_after_a_kept_text_gives_the_numbers_of_reading_both(model, chat, between, then):
    kept = KeptTexts(model, chat.pad_id)
    expected = token_log_probabilities(model, PAIRS, pad_id=chat.pad_id)
    for token in then:
        pairs = [(text, [*rest, *between, token]) for text, rest in PAIRS]
        further = token_log_probabilities(model, pairs, pad_id=chat.pad_id)
        expected = [torch.cat([a, b[-1:]]) for a, b in zip(expected, further, strict=True)]
    for _ in range(2):
        found = kept.log_probabilities(PAIRS, between=between, then=then)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_text_is_read_once(model, chat, monkeypatch):
    kept = KeptTexts(model, chat.pad_id)
    read = count_tokens(model, monkeypatch)
    kept.log_probabilities([(TEXTS[2], [9, 10])])
    assert read == [24, 3]
    kept.log_probabilities([(TEXTS[2], [11, 12, 13])])
    assert read == [24, 3, 4]


def test_where_more_is_read_than_may_be_kept_the_oldest_is_read_again(model, chat, monkeypatch):
    kept = KeptTexts(model, chat.pad_id)
    kept.log_probabilities([(TEXTS[0], [9])])
    kept.log_probabilities([(TEXTS[2], [9])])
    n_bytes = sum(one.nbytes for one in kept._kept.values())
    monkeypatch.setattr(kept_texts, "_MOST_KEPT", n_bytes)
    kept.log_probabilities([(TEXTS[0], [10])])
    kept.log_probabilities([(TEXTS[1], [9])])
    read = count_tokens(model, monkeypatch)
    kept.log_probabilities([(TEXTS[0], [11])])
    kept.log_probabilities([(TEXTS[2], [11])])
    assert read == [2, 24, 2]


def test_nothing_is_read_of_nothing(model, chat):
    assert KeptTexts(model, chat.pad_id).log_probabilities([]) == []
