import pandas as pd

from ragtuned_kedro.answering.base_model import open_base_model
from ragtuned_kedro.answering.evidence import Evidence, Unit, keep_evidence, take_fitting
from ragtuned_kedro.answering.systems import System, answer_queries, build_prompt, fill_template
from ragtuned_kedro.schemas.answering_tables import Answers, Retrievals
from ragtuned_kedro.schemas.records import Completion


def test_every_query_gets_one_answer_and_a_second_run_needs_no_weights(toy_model, tmp_path):
    queries = pd.DataFrame({"query_id": ["equery-b", "equery-a"], "text": ["Who?", "Where?"]})
    asked = {"completion_folder": tmp_path, "system_prompt": "", "max_new_tokens": 4}
    system = open_base_model(toy_model, batch_size=2, device="cpu", n_threads=1)
    answers, retrievals = answer_queries(system, queries, **asked)
    Answers.validate(answers)
    assert Retrievals.validate(retrievals).empty
    assert answers["query_id"].tolist() == ["equery-a", "equery-b"]
    assert set(answers["system"]) == {"base_model"}

    again = open_base_model(toy_model, batch_size=2, device="cpu", n_threads=1)
    again.model._load_model = None  # there is nothing left to load it for
    assert answer_queries(again, queries, **asked)[0].equals(answers)
    assert (answers["first_token_seconds"] <= answers["seconds"]).all()
    assert (answers["peak_memory_bytes"] > 0).all()


def test_a_system_prompt_is_said_only_if_there_is_one():
    assert [one.role for one in build_prompt("q", "Who?", system_prompt="").messages] == ["user"]
    spoken = build_prompt("q", "Who?", system_prompt="Be brief.").messages
    assert [one.role for one in spoken] == ["system", "user"]


class Echo:
    """A model that repeats what it is asked."""

    model_id = "echo"

    def complete(self, prompts, *, max_new_tokens, keep=None):
        done = [
            Completion(one.key, one.messages[-1].content, "stop", 3, 2, 1.0, None, 0.5, 7)
            for one in prompts
        ]
        if keep is not None:
            keep(done)
        return done


def test_evidence_adds_its_cost_and_a_reply_or_an_error_needs_no_model(tmp_path):
    found = {
        "a": Evidence("a", "text", (Unit("chunk", "c", 0.5, 4, True),), 2.0, 10, 5, 9),
        "b": Evidence("b", "", seconds=0.25, reply="I do not know."),
        "c": Evidence("c", "", seconds=0.25, error="no model"),
    }
    system = System(
        "fake",
        Echo(),
        "{evidence} {question}",
        lambda asked, _: [found[one.query_id] for one in asked],
    )
    queries = pd.DataFrame({"query_id": ["c", "a", "b"], "text": ["Z?", "X?", "Y?"]})
    answers, retrievals = answer_queries(
        system, queries, completion_folder=tmp_path, system_prompt="", max_new_tokens=4
    )
    rows = Answers.validate(answers).set_index("query_id")
    assert rows["text"].to_dict() == {"a": "text X?", "b": "I do not know.", "c": ""}
    assert rows["finish_reason"].to_dict() == {"a": "stop", "b": "stop", "c": "error"}
    assert rows.loc["a", ["seconds", "first_token_seconds"]].tolist() == [3.0, 2.5]
    assert rows.loc["a", ["n_prompt_tokens", "n_completion_tokens"]].tolist() == [13, 7]
    assert rows.loc["a", "peak_memory_bytes"] == 9
    assert rows.loc["b", "seconds"] == 0.25
    assert Retrievals.validate(retrievals)["unit_id"].tolist() == ["c"]


def test_a_document_cannot_speak_as_the_template():
    filled = fill_template(
        "{evidence}|{question}", evidence="{question}", question="Who {are} you?"
    )
    assert filled == "{question}|Who {are} you?"


def test_what_fits_is_a_beginning_of_the_order():
    assert take_fitting([3, 4, 9, 1], room=8) == [True, True, False, False]
    assert take_fitting([9, 1], room=8) == [False, False]


def test_evidence_is_gathered_once_and_keeps_the_seconds_of_then(tmp_path):
    seconds = iter([1.5, 2.5])

    def gather():
        return [Evidence("a", "t", (Unit("chunk", "c", None, 1, True),), next(seconds))]

    first = keep_evidence(tmp_path, ["k", 1], gather)
    assert keep_evidence(tmp_path, ["k", 1], gather) == first
    assert keep_evidence(tmp_path, ["k", 2], gather)[0].seconds == 2.5
