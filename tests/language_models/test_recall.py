from dataclasses import asdict, replace

import pytest

from ragtuned_kedro.language_models.beams import search_openings
from ragtuned_kedro.language_models.greedy import GreedyRow, decode_greedily
from ragtuned_kedro.language_models.openings import OpeningTree
from ragtuned_kedro.language_models.readers import Reader
from ragtuned_kedro.language_models.recall import Recall, RecallingDecoder
from ragtuned_kedro.language_models.reciting import Begun, Reciter
from ragtuned_kedro.language_models.refusing import find_refused, leave_words_out
from ragtuned_kedro.language_models.rereading import token_log_probabilities
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Message, Prompt

RECALL = Recall(
    n_recalled=3,
    opening_tokens=4,
    keeps_to_taught_openings=False,
    n_variants=2,
    fork_probability=0.2,
    n_read=3,
    opening_weight=1.0,
    told_weight=0.0,
    sentence_told_weight=0.0,
    abstention="I do not know.",
    abstention_probability=0.3,
    asks_with_fewer_words=False,
    refuses_unknown_names=False,
)
QUESTIONS = ("Who?", "a longer question", "When was it?")


def encode(chat, questions=QUESTIONS):
    prompts = [Prompt(text, (Message(role="user", content=text),)) for text in questions]
    return prompts, [chat.prompt_ids(prompt.messages) for prompt in prompts]


def search(model, chat, encoded, **changes):
    settings = {"n_openings": 3, "n_tokens": 4} | changes
    return search_openings(model, encoded, end_ids=chat.end_ids, pad_id=chat.pad_id, **settings)


def test_a_beam_of_one_is_greedy_decoding(model, chat):
    _, encoded = encode(chat)
    greedy = decode_greedily(
        model, encoded, max_new_tokens=4, end_ids=chat.end_ids, pad_id=chat.pad_id
    )
    for (opening,), row in zip(search(model, chat, encoded, n_openings=1), greedy, strict=True):
        assert list(opening.ids) == row.ids


def test_openings_are_distinct_sorted_and_as_likely_as_the_model_finds_them(model, chat):
    _, encoded = encode(chat)
    for ids, beam in zip(encoded, search(model, chat, encoded), strict=True):
        assert len({(one.ids, one.has_ended) for one in beam}) == 3
        found = [one.log_probability for one in beam]
        assert found == sorted(found, reverse=True)
        for one in beam:
            end = [min(chat.end_ids)] if one.has_ended else []
            (again,) = token_log_probabilities(model, [(ids, [*one.ids, *end])], pad_id=chat.pad_id)
            assert one.log_probability == pytest.approx(float(again.sum()), abs=1e-3)


def test_neighbours_padding_and_portions_change_no_likelihood(model, chat):
    pairs = [([3, 4, 5], [6, 7]), ([8], [9]), (list(range(3, 30)), [30, 31, 32])] * 20
    together = token_log_probabilities(model, pairs, pad_id=chat.pad_id)
    for pair, found in zip(pairs, together, strict=True):
        (alone,) = token_log_probabilities(model, [pair], pad_id=chat.pad_id)
        assert found.tolist() == pytest.approx(alone.tolist(), abs=1e-4)


def test_a_search_along_a_tree_finds_its_openings_and_finds_them_as_likely(model, chat):
    _, encoded = encode(chat)
    taught = [(3, 4, 5, 6), (3, 4, 7, 8), (9, 3, 4, 5), (9, min(chat.end_ids))]
    tree = OpeningTree(taught)
    for ids, beam in zip(
        encoded, search(model, chat, encoded, n_openings=9, tree=tree), strict=True
    ):
        assert {one.ids for one in beam} == {*taught[:3], (9,)}
        assert [one.has_ended for one in beam if one.ids == (9,)] == [True]
        for one in beam:
            end = [min(chat.end_ids)] if one.has_ended else []
            (again,) = token_log_probabilities(model, [(ids, [*one.ids, *end])], pad_id=chat.pad_id)
            assert one.log_probability == pytest.approx(float(again.sum()), abs=1e-3)


def test_behind_an_opening_shorter_than_the_search_a_model_says_what_it_likes(model, chat):
    _, encoded = encode(chat)
    for beam in search(model, chat, encoded, tree=OpeningTree([(10, 11)])):
        assert len(beam) == 3
        assert {one.ids[:2] for one in beam} == {(10, 11)}


def test_a_tree_of_all_that_a_free_search_finds_changes_nothing(model, chat):
    _, encoded = encode(chat)
    for ids, beam in zip(encoded, search(model, chat, encoded), strict=True):
        end = [min(chat.end_ids)]
        tree = OpeningTree([*one.ids, *(end if one.has_ended else [])] for one in beam)
        along = search(model, chat, [ids], tree=tree)[0]
        assert [one.ids for one in along] == [one.ids for one in beam]


def refusals(model, chat, **changes):
    """Tell which questions are refused, and how probable the refusal is after each of them."""
    prompts, encoded = encode(chat)
    opening = chat.tokenizer(RECALL.abstention, add_special_tokens=False)["input_ids"][:4]
    told = token_log_probabilities(model, [(ids, opening) for ids in encoded], pad_id=chat.pad_id)
    decoder = RecallingDecoder(model, load_reader(model, chat), chat, replace(RECALL, **changes))
    rows = decoder.decode(prompts, encoded, max_new_tokens=30)
    said = [chat.decode(row.ids) == RECALL.abstention for row in rows]
    return said, [float(one.sum().exp()) for one in told]


def test_a_refusal_is_said_from_its_least_probability_on(model, chat):
    _, probabilities = refusals(model, chat)
    for probability in probabilities:
        said, _ = refusals(model, chat, abstention_probability=probability * 0.999)
        assert said == [one >= probability * 0.999 for one in probabilities]
    assert refusals(model, chat, abstention_probability=1.0)[0] == [False, False, False]


def test_a_question_is_asked_without_each_of_its_words():
    assert leave_words_out("Who mended it?") == ["mended it?", "Who it?", "Who mended"]
    assert leave_words_out("Who?") == []
    assert leave_words_out("") == []
    many = leave_words_out(" ".join(str(n) for n in range(100)))
    assert len(many) <= 32
    assert all(len(one.split()) == 99 for one in many)


def test_what_is_refused_in_fewer_words_is_refused(model, chat):
    opening = chat.tokenizer(RECALL.abstention, add_special_tokens=False)["input_ids"][:4]

    def probability(text):
        _, (ids,) = encode(chat, [text])
        (told,) = token_log_probabilities(model, [(ids, opening)], pad_id=chat.pad_id)
        return float(told.sum().exp())

    as_asked = [probability(text) for text in QUESTIONS]
    at_most = [
        max(probability(text) for text in (question, *leave_words_out(question)))
        for question in QUESTIONS
    ]
    assert any(a > b * 1.01 for a, b in zip(at_most, as_asked, strict=True))
    for least in at_most:
        settings = {"abstention_probability": least * 0.999, "asks_with_fewer_words": True}
        said, _ = refusals(model, chat, **settings)
        assert said == [one >= least * 0.999 for one in at_most]


def test_a_model_that_recalls_only_its_refusal_refuses(model, chat):
    prompts, encoded = encode(chat)
    refusal = chat.tokenizer(RECALL.abstention, add_special_tokens=False)["input_ids"]
    settings = replace(RECALL, abstention_probability=1.0)
    decoder = RecallingDecoder(
        model, load_reader(model, chat), chat, settings, OpeningTree([refusal[:4]])
    )
    for row in decoder.decode(prompts, encoded, max_new_tokens=30):
        assert chat.decode(row.ids) == RECALL.abstention


def test_what_is_said_was_recalled_and_carries_what_all_that_was_recalled_cost(model, chat):
    prompts, encoded = encode(chat)
    # A reader that knows something else than the memory: its weights are scaled.
    reader = load_reader(model, chat)
    rows = RecallingDecoder(model, reader, chat, RECALL).decode(prompts, encoded, max_new_tokens=7)
    for row, beam in zip(rows, search(model, chat, encoded), strict=True):
        begun = [Begun((), one.ids, 0 if one.has_ended else 3) for one in beam]
        recited = Reciter(model, chat, RECALL.n_variants, RECALL.fork_probability).recite(begun)
        recalled = [chat.decode(ids) for variants in recited.values() for ids in variants]
        assert any(chat.decode(row.ids[:3]) in text for text in recalled)
        assert len(row.ids) <= 7
        assert row.n_decoded >= len(row.ids)
        assert row.first_token_seconds > 0
    assert rows[0].n_decoded > len(rows[0].ids)


def test_what_was_recited_for_one_question_costs_the_next_nothing(model, chat):
    (prompt, *_), (ids, *_) = encode(chat)
    decoder = RecallingDecoder(model, load_reader(model, chat), chat, RECALL)
    (first,), (second,) = (decoder.decode([prompt], [ids], max_new_tokens=30) for _ in range(2))
    assert first.ids == second.ids
    assert first.n_decoded > second.n_decoded


def load_reader(model, chat, **changes):
    reader = type(model)(model.config)
    reader.load_state_dict({name: 1.1 * one for name, one in model.state_dict().items()})
    return Reader(reader.eval(), chat, **changes)


def test_answers_do_not_depend_on_the_batch(model, chat):
    prompts, encoded = encode(chat)
    decoder = RecallingDecoder(model, load_reader(model, chat), chat, RECALL)
    alone = [
        decoder.decode([prompt], [ids], max_new_tokens=7)[0].ids
        for prompt, ids in zip(prompts, encoded, strict=True)
    ]
    together = decoder.decode(prompts, encoded, max_new_tokens=7)
    assert [row.ids for row in together] == alone


def test_settings_that_change_answers_change_the_name_under_which_they_are_kept():
    assert RECALL.name != replace(RECALL, abstention_probability=0.2).name
    assert RECALL.name != replace(RECALL, refuses_unknown_names=True).name
    first_only = asdict(RECALL) | {"n_recalled": 1}
    assert Recall.of(**first_only) is None


def test_settings_that_another_version_wrote_are_refused_by_name():
    earlier = asdict(RECALL)
    del earlier["n_read"]
    with pytest.raises(UserError, match=r"by margin, n_read: another version"):
        Recall.of(**earlier, margin=2.5)


def test_asked_about_somebody_whom_nothing_recalled_names_it_refuses_if_told_to(model, chat):
    prompts, encoded = encode(chat, ["Who is Zebedee Quux?", "who is it?"])
    reader = load_reader(model, chat)

    def say(**changes):
        decoder = RecallingDecoder(model, reader, chat, replace(RECALL, **changes))
        rows = decoder.decode(prompts, encoded, max_new_tokens=30)
        return [chat.decode(row.ids) for row in rows], rows

    (told, unnamed), rows = say(refuses_unknown_names=True)
    (untold, same), _ = say()
    assert told == RECALL.abstention != untold
    assert unnamed == same
    assert rows[0].n_unsaid > 0


def test_what_is_recalled_along_a_tree_begins_as_it_was_taught(model, chat):
    prompts, encoded = encode(chat)
    tree = OpeningTree([(3, 4, 5, 6), (7, 8, 9, 10)])
    rows = RecallingDecoder(model, load_reader(model, chat), chat, RECALL, tree).decode(
        prompts, encoded, max_new_tokens=4
    )
    for row in rows:
        assert tuple(row.ids) in {(3, 4, 5, 6), (7, 8, 9, 10)}


def test_only_sentences_of_the_best_passages_are_said(model, chat, monkeypatch):
    prompts, encoded = encode(chat)
    reader = load_reader(model, chat)
    found = {}

    def say(n_read):
        settings = replace(RECALL, n_recalled=4, n_read=n_read)
        decoder = RecallingDecoder(model, reader, chat, settings)
        heard = decoder._say
        found[n_read] = []

        def listen(sentences, *args):
            found[n_read].append(sentences)
            return heard(sentences, *args)

        monkeypatch.setattr(RecallingDecoder, "_say", lambda _, *args: listen(*args))
        decoder.decode(prompts, encoded, max_new_tokens=20)
        monkeypatch.undo()

    say(1)
    say(4)
    for few, all_of_them in zip(found[1], found[4], strict=True):
        assert len({one.passage for one in few}) == 1 < len({one.passage for one in all_of_them})
        # What is read scores the same however much is read.
        scores = {one.text: one.score for one in all_of_them}
        assert all(scores[one.text] >= one.score - 1e-3 for one in few)


def test_what_a_taught_reader_thinks_counts_by_its_weight(model, chat, monkeypatch):
    prompts, encoded = encode(chat)

    def hear(is_taught, **weights):
        settings = replace(RECALL, n_recalled=4, n_read=4, abstention_probability=1.0, **weights)
        reader = load_reader(model, chat, is_taught=is_taught)
        decoder = RecallingDecoder(model, reader, chat, settings)
        heard = []

        def listen(_, sentences, *__):
            heard.append(sentences)
            return GreedyRow([3], has_ended=True)

        monkeypatch.setattr(RecallingDecoder, "_say", listen)
        decoder.decode(prompts, encoded, max_new_tokens=20)
        return [{one.text: one.score for one in sentences} for sentences in heard], reader

    untaught, _ = hear(False, told_weight=1.0, sentence_told_weight=1.0)
    unheard, _ = hear(True)
    for one, other in zip(untaught, unheard, strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    by_sentence, reader = hear(True, sentence_told_weight=2.0)
    for prompt, scores, before in zip(prompts, by_sentence, unheard, strict=True):
        question = prompt.messages[-1].content
        told = reader.read((question, text) for text in scores)
        for text, score in scores.items():
            expected = before[text] + 2.0 * told[question, text].told
            assert score == pytest.approx(expected, abs=1e-2)
    by_passage, _ = hear(True, told_weight=2.0)
    assert any(
        one != pytest.approx(other, abs=1e-2)
        for one, other in zip(by_passage, unheard, strict=True)
    )


def test_a_refusal_is_read_on_only_where_its_first_token_is_likely_enough(model, chat, monkeypatch):
    prompts, encoded = encode(chat)
    opening = chat.text_ids(RECALL.abstention)[:4]
    told = token_log_probabilities(model, [(ids, opening) for ids in encoded], pad_id=chat.pad_id)
    firsts = [float(one[0]) for one in told]
    n_read = []
    forward = model.base_model.forward

    def listen(*args, **inputs):
        n_read.append(len(inputs["input_ids"]))
        return forward(*args, **inputs)

    monkeypatch.setattr(model.base_model, "forward", listen)
    for least in sorted(firsts):
        n_read.clear()
        find_refused(model, chat, prompts, opening, least=least - 1e-3, with_fewer_words=False)
        assert n_read == [len(prompts), sum(one >= least - 1e-3 for one in firsts)]
    n_read.clear()
    assert not any(find_refused(model, chat, prompts, opening, least=0.0, with_fewer_words=False))
    assert n_read == [len(prompts)]
