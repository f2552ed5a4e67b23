"""What a judge will be asked, before anybody has answered."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ragtuned_kedro.evaluation.duels import plan_checks, plan_duels
from ragtuned_kedro.evaluation.judge import STAGE, judge_prompts
from ragtuned_kedro.language_models.estimate import CallPlan, CountTokens, count_prompt
from ragtuned_kedro.language_models.prompt_files import PromptFile
from ragtuned_kedro.language_models.replies import ask_for_shape
from ragtuned_kedro.schemas.judge_replies import PairVerdict


def plan_judging(
    queries: pd.DataFrame,
    assertions: pd.DataFrame,
    compared_ids: Sequence[str],
    evidence: Mapping[str, str],
    prompt: PromptFile,
    count_tokens: CountTokens,
    *,
    candidate: str,
    baselines: Sequence[str],
    scopes: Sequence[str],
    n_per_scope: int,
    n_trials: int,
    n_checks: int,
    max_answer_words: int,
    max_new_tokens: int,
    seed: int,
) -> CallPlan:
    """Plan the sittings, drawn as they will be from `compared_ids`, which all systems are asked.

    The answers are pretended, one word at least and `max_answer_words` at most. A judge is asked
    equal prompts once, and systems may say the same: the least is one sitting for each question.
    """
    n_calls, tokens = [], []
    for text in ("answer", " ".join(["answer"] * max_answer_words)):
        duels = plan_duels(
            queries,
            _pretend(compared_ids, (candidate, *baselines), text),
            evidence,
            candidate=candidate,
            baselines=baselines,
            scopes=scopes,
            n_per_scope=n_per_scope,
            seed=seed,
        ).duels
        checks = plan_checks(queries, assertions, evidence, n_checks=n_checks, seed=seed)
        sittings = [
            ask_for_shape(one, PairVerdict)
            for one in judge_prompts(
                (*duels, *checks) if duels else (),
                prompt,
                n_trials=n_trials,
                max_answer_words=max_answer_words,
            )
        ]
        distinct = {one.messages: one for one in sittings}
        counts = {key: count_prompt(one, count_tokens) for key, one in distinct.items()}
        n_calls.append((len(distinct), len(sittings)))
        tokens.append(sum(counts[one.messages] for one in sittings) / max(1, len(sittings)))
    return CallPlan(
        STAGE,
        (n_calls[0][0], n_calls[1][1]),
        (tokens[0], tokens[1]),
        max_new_tokens,
        is_counted=False,
    )


def _pretend(query_ids: Sequence[str], systems: Sequence[str], text: str) -> pd.DataFrame:
    """Give every system the same answer to every question, in the columns that a plan reads."""
    said = {"sample": 0, "text": text, "finish_reason": "stop", "error": None}
    columns = ["query_id", "system", *said]
    rows = [
        {"query_id": query_id, "system": system, **said}
        for system in systems
        for query_id in query_ids
    ]
    return pd.DataFrame(rows, columns=columns)
