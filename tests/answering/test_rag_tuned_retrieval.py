"""A memory that knows of no goats and fails on bells, and passages for what is left."""

from pathlib import Path

import pandas as pd
import yaml

from ragtuned_kedro.answering.evidence import Evidence, Unit
from ragtuned_kedro.answering.rag_tuned_retrieval import remember_first
from ragtuned_kedro.answering.systems import System, answer_queries
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams
from ragtuned_kedro.schemas.answering_tables import Answers, Retrievals
from ragtuned_kedro.schemas.records import Completion

CONF = Path(__file__).parents[2] / "conf" / "base"
ANSWERING = AnsweringParams(
    **yaml.safe_load((CONF / "parameters_answering.yml").read_text())["answering"]
)


class Memory:
    model_id = "memory"

    def complete(self, prompts, *, max_new_tokens, keep=None):
        done = [self.answer(one.key, one.messages[-1].content) for one in prompts]
        if keep is not None:
            keep(done)
        return done

    def answer(self, key, question):
        if "bell" in question:
            return Completion(key, "", "error", 3, 0, 1.0, "out of memory")
        said = ANSWERING.abstention if "goat" in question else "The mill is red."
        return Completion(key, said, "stop", 3, 20, 1.0, None, 0.5, 7)


def passages(queries, model):
    assert [query.text for query in queries] == ["Who sold the mill?"]
    units = (Unit("sentence", "sent-a", 0.5, 4, True),)
    return [
        Evidence(one.query_id, "Ada sold it.", units, 0.25, 0, 4, 9, "Ada sold it.")
        for one in queries
    ]


def test_what_memory_refuses_or_fails_on_is_not_retrieved_and_the_rest_is_repeated(tmp_path):
    gather = remember_first(passages, ANSWERING, system_prompt="")
    queries = pd.DataFrame(
        {
            "query_id": ["equery-a", "equery-b", "equery-c"],
            "text": ["Who sold the mill?", "Who sold the goat?", "Who rang the bell?"],
        }
    )
    answers, retrievals = answer_queries(
        System("both", Memory(), gather=gather),
        queries,
        completion_folder=tmp_path,
        system_prompt="",
        max_new_tokens=ANSWERING.max_new_tokens,
    )
    rows = Answers.validate(answers).set_index("query_id")
    assert rows["text"].tolist() == ["Ada sold it.", ANSWERING.abstention, ""]
    assert rows["finish_reason"].tolist() == ["stop", "stop", "error"]
    assert rows["error"].tolist()[2] == "out of memory"
    assert rows["seconds"].tolist() == [1.25, 1.0, 1.0]
    assert rows["n_prompt_tokens"].tolist() == [3, 3, 3]
    assert rows["n_completion_tokens"].tolist() == [24, 20, 0]
    assert rows["peak_memory_bytes"].tolist() == [9, 7, 0]
    assert Retrievals.validate(retrievals)["query_id"].tolist() == ["equery-a"]
