"""A teacher's evaluation questions: fit to ask, fit to score, each with its reason otherwise."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from ragtuned_kedro.evaluation.entity_names import EntityNames
from ragtuned_kedro.evaluation.generated import OtherQuestions
from ragtuned_kedro.evaluation.question_plan import plan_questions
from ragtuned_kedro.evaluation.teacher_questions import ReadTables, ask_teacher, show_reports
from ragtuned_kedro.schemas.records import Prompt
from tests.scripted_teacher import asker_of, fenced, prompt_book, shape_of, teach

TEXTS = {
    "a.md": "Ada Lind keeps the ferry at Tarn Mill. The weather was foul.",
    "b.md": "Otto Fenn mends the clock for Ada Lind in winter.",
}
COUNTS = {
    "n_personas": 2,
    "n_tasks": 2,
    "n_questions": 1,
    "n_local": 2,
    "max_points": 3,
    "list_tokens": 400,
    "point_tokens": 200,
}


def _tables(report: str = "Ada Lind keeps the ferry, Otto Fenn the clock.") -> ReadTables:
    uris = list(TEXTS)
    names = {"Ada Lind": "Ada", "Otto Fenn": "Otto Fenn", "Tarn Mill": "Tarn Mill", "weather": "it"}
    reports = [("comm-1", report, 9, 8.0)] if report else []
    return ReadTables(
        documents=pd.DataFrame({"doc_id": uris, "source_uri": uris, "text": list(TEXTS.values())}),
        chunks=pd.DataFrame(
            {
                "chunk_id": [f"chunk-{uri}" for uri in uris],
                "doc_id": uris,
                "text": list(TEXTS.values()),
            }
        ),
        entities=pd.DataFrame({"name": list(names)}),
        entity_mentions=pd.DataFrame({"name": list(names), "surface": list(names.values())}),
        communities=pd.DataFrame({"community_id": ["comm-1"], "level": [0]}),
        community_reports=pd.DataFrame(
            reports, columns=["community_id", "text", "n_tokens", "rating"]
        ),
    )


def _ask(
    path: Path,
    script: Callable[[Prompt], str] = teach,
    *,
    tables: ReadTables | None = None,
    taught: Sequence[str] = (),
    written: Sequence[str] = (),
    **counts: int,
):
    asker, model = asker_of(script, path / "completions.sqlite")
    made, calls = ask_teacher(
        tables or _tables(),
        OtherQuestions(taught, written, similarity=0.9),
        asker,
        prompt_book("evaluation"),
        language="English",
        max_context_tokens=100,
        seed=3,
        **(COUNTS | counts),
    )
    return made, calls, model


def _replying(to: set[str], reply: Callable[[Prompt], dict]) -> Callable[[Prompt], str]:
    """Teach, but reply to prompts for `to` otherwise."""
    return lambda prompt: json.dumps(reply(prompt)) if shape_of(prompt) == to else teach(prompt)


LOCAL = {"can_ask", "question", "points"}


def _local_only(path: Path, reply: dict, **more):
    return _ask(path, _replying(LOCAL, lambda _: reply), n_personas=0, n_local=1, **more)


def test_every_question_leads_back_to_its_reader_its_task_its_call_and_its_documents(tmp_path):
    made, calls, _ = _ask(tmp_path)
    asked = made.queries[made.queries["scope"] == "global"]
    assert len(asked) == 4
    assert asked[["persona", "task"]].drop_duplicates().shape == (4, 2)
    assert set(asked["persona"]) == {"reader 0", "reader 1"}
    assert set(made.queries["call_id"]) <= set(calls["call_id"])
    sources = made.evidence.groupby("query_id")["source_uri"].agg(list)
    assert sources[asked["query_id"].iloc[0]] == ["a.md", "b.md"]
    local = made.queries[made.queries["scope"] == "local"].set_index("call_id")
    home = calls.set_index("call_id")["key"]
    for call_id, row in local.iterrows():
        assert sources[row["query_id"]] == [home[call_id].removeprefix("chunk-")]
    assert made.rejections.empty


@pytest.mark.parametrize(
    "text",
    [
        "What does Ada Lind do all year?",
        "What does ADA LIND'S ferry mean to the place?",
        "How do people see Ada over time?",
        "What would a Lind want?",
        "Which work is done at the tarn mill?",
    ],
)
def test_a_global_question_names_no_entity(tmp_path, text):
    made, calls, _ = _ask(
        tmp_path, _replying({"questions"}, lambda _: {"questions": [text]}), n_local=0
    )
    assert made.queries.empty
    assert made.rejections["reason"].tolist() == ["names_entity"] * 4
    assert "generate_questions.points" not in set(calls["stage"])


def _names(*names: str) -> EntityNames:
    tables = _tables()
    entities = pd.DataFrame({"name": [*tables.entities["name"], *names]})
    return EntityNames(entities, tables.entity_mentions, tables.documents["text"])


@pytest.mark.parametrize(
    "text", ["How does the weather matter?", "Mill work, how is it?", "It has changed, has it not?"]
)
def test_what_is_no_name_may_be_asked_for(text):
    assert _names().find(text) is None


def test_a_name_that_the_corpus_writes_small_too_is_one_with_its_capital():
    names = _names("Clock", "Ferry", "Vellisk")
    assert names.find("What does the Clock tell?") == "Clock"
    assert names.find("What does the clock tell?") is None
    # The corpus never writes this one small, so whoever does means the place.
    assert names.find("What is vellisk like?") == "Vellisk"


def test_questions_close_to_training_ones_or_those_by_hand_are_refused_before_more_is_paid(
    tmp_path,
):
    said = iter(["What holds it together?", "What changes over time?", "Who decides?", "And why?"])
    script = _replying({"questions"}, lambda _: {"questions": [next(said)]})
    made, calls, _ = _ask(
        tmp_path,
        script,
        taught=["WHAT HOLDS IT TOGETHER!"],
        written=["What changes over times?"],
        n_local=0,
    )
    reasons = dict(zip(made.rejections["key"], made.rejections["reason"], strict=True))
    assert reasons == {
        "What holds it together?": "training_query",
        "What changes over time?": "evaluation_query",
    }
    assert set(made.queries["text"]) == {"Who decides?", "And why?"}
    assert (calls["stage"] == "generate_questions.points").sum() == 2


def test_a_local_question_is_kept_away_from_training_too_and_asked_once(tmp_path):
    said = {"can_ask": True, "question": "Who keeps the boat?", "points": ["Ada Lind"]}
    script = _replying(LOCAL, lambda _: said)
    made, _, _ = _ask(tmp_path / "1", script, n_personas=0)
    assert len(made.queries) == 1
    assert made.rejections["reason"].tolist() == ["duplicate"]
    made, _, _ = _ask(tmp_path / "2", script, n_personas=0, taught=["who keeps the boat"])
    assert made.rejections["reason"].tolist() == ["training_query"] * 2


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (["Nobody Known"], "ungrounded"),
        (["Ada Lind", "Nobody Known"], "ungrounded"),
        (["Ada", "!"], "ungrounded"),
        (["in winter"], "gives_away"),
        (["Otto Fenn mends the clock for Ada Lind"], "wordy"),
        ([], "no_assertions"),
    ],
)
def test_assertions_that_cannot_score_an_answer_are_refused(tmp_path, points, reason):
    said = {"can_ask": True, "question": "Who repairs what in winter?", "points": points}
    tables = _tables()
    only = ReadTables(**(vars(tables) | {"chunks": tables.chunks.iloc[1:]}))
    made, _, model = _local_only(tmp_path, said, tables=only)
    assert made.queries.empty
    assert made.rejections[["key", "reason"]].to_numpy().tolist() == [["chunk-b.md", reason]]
    assert len(model.asked) == 2


def test_a_teacher_that_is_told_may_mend_its_assertions(tmp_path):
    said = {"can_ask": True, "question": "Who repairs what?", "points": ["Nobody"]}

    def script(prompt: Prompt) -> str:
        is_told = "'Nobody' does not stand there" in prompt.messages[-1].content
        return json.dumps(said | {"points": ["ada  LIND"]} if is_told else said)

    made, calls, _ = _ask(tmp_path, script, n_personas=0, n_local=1)
    assert made.assertions["text"].tolist() == ["ada LIND"]
    assert sorted(calls["outcome"]) == ["invalid", "valid"]


@pytest.mark.parametrize(
    ("point", "reason"), [("a sense of duty", "ungrounded"), ("Tarn Mill", "ungrounded")]
)
def test_what_a_global_answer_must_contain_stands_in_the_reports_and_in_a_document(
    tmp_path, point, reason
):
    tables = _tables("Ada Lind has a sense of duty.")
    script = _replying({"points"}, lambda _: {"points": [point]})
    made, _, _ = _ask(tmp_path, script, tables=tables, n_local=0)
    assert made.queries.empty
    assert set(made.rejections["reason"]) == {reason}
    assert made.rejections["key"].str.endswith("?").all()


def test_questions_written_are_queries_and_rejections_together(tmp_path):
    written: list[str] = []

    def some_bad(prompt: Prompt) -> dict:
        asked = json.loads(teach(prompt))["questions"]
        texts = [asked[0], asked[0], "Who is Ada Lind?"]
        written.extend(dict.fromkeys(texts))
        return {"questions": texts}

    made, _, _ = _ask(
        tmp_path, _replying({"questions"}, some_bad), n_questions=2, taught=[], n_local=0
    )
    assert len(made.queries) + len(made.rejections) == len(written)
    assert made.rejections["reason"].tolist() == ["names_entity"] * 4


def test_a_list_that_is_too_short_and_a_prompt_without_reply_are_rejections(tmp_path):
    def script(prompt: Prompt) -> str:
        keys = shape_of(prompt)
        if keys == {"tasks"}:
            return "no" if "reader 0" in fenced(prompt)["reader"][0] else '{"tasks": ["Go", "go"]}'
        return teach(prompt)

    made, _, _ = _ask(tmp_path, script, n_local=0)
    assert made.rejections["reason"].tolist() == ["unparsable", "too_few"]
    assert made.rejections["key"].str.startswith("persona-").all()
    assert len(made.queries) == 1


def test_without_a_report_or_a_description_no_global_question_is_asked(tmp_path):
    made, calls, _ = _ask(tmp_path / "1", tables=_tables(report=""))
    assert made.rejections[["key", "reason"]].to_numpy().tolist() == [["corpus", "no_reports"]]
    assert set(made.queries["scope"]) == {"local"}
    assert set(calls["stage"]) == {"generate_questions.local"}
    made, calls, _ = _ask(tmp_path / "2", lambda _: "I would rather not.", n_local=0)
    assert made.rejections["reason"].tolist() == ["unparsable"]
    assert set(calls["stage"]) == {"generate_questions.describe"}


def test_where_the_teacher_finds_nothing_to_ask_its_chunk_is_refused(tmp_path):
    made, _, _ = _local_only(tmp_path, {"can_ask": False, "question": "", "points": []})
    assert made.rejections["reason"].tolist() == ["nothing_to_ask"]
    assert made.rejections["key"].str.startswith("chunk-").all()


def test_a_second_run_asks_nothing_and_makes_the_same_tables(tmp_path):
    made, calls, model = _ask(tmp_path)
    assert len(model.asked) == len(calls) == 1 + 1 + 2 + 4 + 4 + 2
    again, same_calls, model = _ask(tmp_path)
    assert model.asked == []
    assert same_calls.equals(calls)
    for name, table in vars(made).items():
        assert table.equals(getattr(again, name)), name


def test_no_stage_asks_more_than_was_foreseen(tmp_path):
    tables = _tables()
    plans = plan_questions(
        tables.chunks,
        prompt_book("evaluation"),
        lambda text: len(text.split()),
        language="English",
        max_context_tokens=100,
        seed=3,
        **COUNTS,
    )
    _, calls, _ = _ask(tmp_path)
    made = calls["stage"].value_counts()
    assert {one.stage for one in plans} == set(made.index)
    assert all(one.n_calls[0] <= made[one.stage] <= one.n_calls[1] for one in plans)
    tokens = calls.groupby("stage")["n_prompt_tokens"].mean()
    (local,) = (one for one in plans if one.is_counted)
    assert local.prompt_tokens[0] == tokens[local.stage]


def test_the_coarsest_and_best_rated_reports_are_shown_as_far_as_they_fit():
    rows = [("c1", "fine", 5, 9.0), ("c2", "poor", 5, 1.0), ("c3", "good", 6, 7.0)]
    reports = pd.DataFrame(rows, columns=["community_id", "text", "n_tokens", "rating"])
    levels = pd.DataFrame({"community_id": ["c1", "c2", "c3"], "level": [1, 0, 0]})
    tables = ReadTables(**(vars(_tables()) | {"communities": levels, "community_reports": reports}))
    assert show_reports(tables, max_context_tokens=99) == "good\n\npoor\n\nfine"
    assert show_reports(tables, max_context_tokens=10) == "good"
    assert show_reports(tables, max_context_tokens=3) == "go"
