import pandas as pd

from ragtuned_kedro.answering.base_model import open_base_model
from ragtuned_kedro.answering.systems import answer_queries, build_prompt
from ragtuned_kedro.schemas.tables import Answers


def test_every_query_gets_one_answer_and_a_second_run_needs_no_weights(toy_model, tmp_path):
    queries = pd.DataFrame({"query_id": ["equery-b", "equery-a"], "text": ["Who?", "Where?"]})
    asked = {"completion_folder": tmp_path, "system_prompt": "", "max_new_tokens": 4}
    system = open_base_model(toy_model, batch_size=2, device="cpu", n_threads=1)
    answers = answer_queries(system, queries, **asked)
    Answers.validate(answers)
    assert answers["query_id"].tolist() == ["equery-a", "equery-b"]
    assert set(answers["system"]) == {"base_model"}

    again = open_base_model(toy_model, batch_size=2, device="cpu", n_threads=1)
    again.model._load_model = None  # there is nothing left to load it for
    assert answer_queries(again, queries, **asked).equals(answers)


def test_a_system_prompt_is_said_only_if_there_is_one():
    assert [one.role for one in build_prompt("q", "Who?", system_prompt="").messages] == ["user"]
    spoken = build_prompt("q", "Who?", system_prompt="Be brief.").messages
    assert [one.role for one in spoken] == ["system", "user"]
