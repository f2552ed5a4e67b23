"""No room writes a prompt before somebody is free to answer it."""

import pytest

from ragtuned_kedro.evaluation.duels import Duel
from ragtuned_kedro.evaluation.judge import ask_judge
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptFile
from ragtuned_kedro.synthesis.anchors import Anchor
from ragtuned_kedro.synthesis.grounding import judge_grounding, plant_claims
from ragtuned_kedro.synthesis.quotes import Quotes
from ragtuned_kedro.synthesis.teacher_pairs import write_pairs
from tests.graph.test_teacher_extract import extract
from tests.scripted_teacher import asker_of, prompt_book, teach
from tests.test_hostile_documents import describing, reporting


def extracting(village, path):
    extract(village, asker_of(teach, path)[0])


def describing_things(village, path):
    describing(village, "Greta", path)


def reporting_on_groups(village, path):
    reporting(village, "Greta", path)


def writing_pairs(village, path):
    chunk_ids = list(village.chunks["chunk_id"])
    anchors = [
        Anchor(f"{kind} {one}", kind, "entity", "ent-1", "the mill", "A note.", (one,))
        for kind in ("local", "entity_reasoning")
        for one in chunk_ids
    ]
    rooms = {"max_question_tokens": 200, "max_answer_tokens": 200}
    quotes = Quotes(village.chunks, village.sentences)
    asker, _ = asker_of(teach, path)
    write_pairs(anchors, quotes, asker, prompt_book("synthesis"), language="English", **rooms)


def checking_answers(village, path):
    quotes = Quotes(village.chunks, village.sentences)
    claims = plant_claims(village.sentences, village.entity_mentions, quotes, n=2, seed=1)
    asker, _ = asker_of(teach, path)
    judge_grounding(claims, quotes, asker, prompt_book("synthesis"), max_new_tokens=200)


def judging(village, path):
    duels = [Duel(f"equery-{n}", f"Who is {n}?", "", "a", "b", "yes", "no") for n in range(4)]
    asker, _ = asker_of(lambda _: "no verdict", path, max_attempts=1)
    prompt = prompt_book("evaluation")["judge"]
    ask_judge(duels, asker, prompt, n_trials=1, max_answer_words=20, max_new_tokens=50)


ROOMS = [
    extracting,
    describing_things,
    reporting_on_groups,
    writing_pairs,
    checking_answers,
    judging,
]


@pytest.mark.parametrize("room", ROOMS)
def test_a_prompt_is_written_when_a_call_is_free_for_it(village, tmp_path, monkeypatch, room):
    n_written = n_ended = most_waiting = 0
    render, settle = PromptFile.render, Asker._settle

    def counted_render(*args, **values):
        nonlocal n_written, most_waiting
        n_written += 1
        most_waiting = max(most_waiting, n_written - n_ended)
        return render(*args, **values)

    async def counted_settle(*args):
        nonlocal n_ended
        settled = await settle(*args)
        n_ended += 1
        return settled

    monkeypatch.setattr(PromptFile, "render", counted_render)
    monkeypatch.setattr(Asker, "_settle", counted_settle)
    room(village, tmp_path / "store")
    assert n_written == n_ended > 1
    assert most_waiting == 1
