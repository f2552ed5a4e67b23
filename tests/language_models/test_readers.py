import pytest
import torch

from ragtuned_kedro.language_models.readers import Reader, lesson_ids

PASSAGE = "Ada mended the clock. It was late."
ASKED = [("Who mended the clock?", True), ("What did it cost?", False)]


def test_a_reader_finds_a_question_as_likely_whether_it_was_taught_or_not(model, chat):
    pairs = [(question, PASSAGE) for question, _ in ASKED]
    plain = Reader(model, chat).read(pairs)
    taught = Reader(model, chat, is_taught=True).read([*pairs, *pairs])
    assert list(plain) == list(taught) == pairs
    for pair in pairs:
        assert len(plain[pair].fit) == len(chat.text_ids(f" {pair[0]}"))
        torch.testing.assert_close(taught[pair].fit, plain[pair].fit)
        assert plain[pair].told == 0.0


def test_it_is_asked_in_the_very_tokens_in_which_it_was_taught(model, chat):
    for question, _ in ASKED:
        lesson, denied = (lesson_ids(chat, PASSAGE, [(question, told)]) for told in (True, False))
        assert lesson.ids[:-1] == denied.ids[:-1]
        (yes,), (no,) = lesson.target_ids(), denied.target_ids()
        assert yes != no
        before = torch.tensor([lesson.ids[:-1]])
        with torch.inference_mode():
            logits = model(input_ids=before).logits[0, -1]
        (reading,) = Reader(model, chat, is_taught=True).read([(question, PASSAGE)]).values()
        assert reading.told == pytest.approx(float(logits[yes] - logits[no]), abs=1e-4)


def test_a_lesson_asks_every_question_in_a_branch_of_its_own(chat):
    whole = lesson_ids(chat, PASSAGE, ASKED)
    stem = len(chat.text_ids(PASSAGE))
    ends = [*whole.branches[1:], len(whole.ids)]
    assert whole.branches[0] == stem
    for (question, is_told), start, end in zip(ASKED, whole.branches, ends, strict=True):
        alone = lesson_ids(chat, PASSAGE, [(question, is_told)])
        assert (*whole.ids[:stem], *whole.ids[start:end]) == alone.ids
    assert sum(whole.is_target) == len(ASKED)
