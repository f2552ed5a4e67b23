"""A judge compares two answers from both seats; its replies become judgements and verdicts."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pandas as pd

from ragtuned_kedro.evaluation.duels import Duel, cut_words
from ragtuned_kedro.language_models.asking import Answered, Asker
from ragtuned_kedro.language_models.prompt_files import PromptFile
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.evaluation_tables import Judgements, Verdicts
from ragtuned_kedro.schemas.judge_replies import CRITERIA, PairVerdict
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.tables import frame_of

Seat = Literal["first", "second", "tie"]
Winner = Literal["candidate", "baseline", "tie"]

STAGE = "judge_answers"
SEATS: tuple[Literal["first", "second"], ...] = ("first", "second")
_WON_FROM: dict[str, dict[str, Winner]] = {
    "first": {"first": "candidate", "second": "baseline", "tie": "tie"},
    "second": {"first": "baseline", "second": "candidate", "tie": "tie"},
}
_JUDGED = ["query_id", "criterion", "candidate", "baseline", "trial"]


def ask_judge(
    duels: Sequence[Duel],
    judge: Asker,
    prompt: PromptFile,
    *,
    n_trials: int,
    max_answer_words: int,
    max_new_tokens: int,
) -> Answered[PairVerdict]:
    """Ask for each duel, trial and seat; a reply that cannot be read is a rejection.

    Raises:
        UserError: If the judge's endpoint is dead or a cap is reached.
    """
    prompts = judge_prompts(duels, prompt, n_trials=n_trials, max_answer_words=max_answer_words)
    return judge.ask_all(prompts, PairVerdict, stage=STAGE, max_new_tokens=max_new_tokens)


def judge_prompts(
    duels: Sequence[Duel], prompt: PromptFile, *, n_trials: int, max_answer_words: int
) -> Prompts:
    """Write the prompts of all duels, trials and seats."""

    def render(sitting: tuple[Duel, str, int]) -> Prompt:
        duel, seat, trial = sitting
        return judge_prompt(duel, prompt, seat=seat, trial=trial, max_answer_words=max_answer_words)

    return Prompts(list(_sittings(duels, n_trials)), render)


def judge_prompt(
    duel: Duel, prompt: PromptFile, *, seat: str, trial: int, max_answer_words: int
) -> Prompt:
    """Show both answers, cut at the same length, with the candidate in `seat`.

    The criteria begin with another one in each trial, so that none is always judged first; it is
    also what makes a trial a question of its own to a judge that answers equal prompts equally.
    """
    texts = [cut_words(one, max_answer_words) for one in (duel.candidate_text, duel.baseline_text)]
    first, second = texts if seat == "first" else reversed(texts)
    listed = list(CRITERIA.items())
    turn = trial % len(listed)
    return prompt.render(
        sitting_key(duel, seat=seat, trial=trial),
        question=duel.question,
        evidence=duel.evidence or "The documents say nothing about it.",
        first=first,
        second=second,
        criteria=listed[turn:] + listed[:turn],
    )


def sitting_key(duel: Duel, *, seat: str, trial: int) -> str:
    """Name one asking of a judge; rejections are found by it."""
    return f"{duel.query_id}|{duel.candidate}|{duel.baseline}|{seat}|{trial}"


def list_judgements(
    duels: Sequence[Duel], answered: Answered[PairVerdict], *, n_trials: int
) -> pd.DataFrame:
    """Make Judgements of the usable replies: one row per criterion, seat and trial."""
    rows: list[dict[str, Any]] = []
    for duel, seat, trial in _sittings(duels, n_trials):
        reply = answered.replies.get(sitting_key(duel, seat=seat, trial=trial))
        if reply is None:
            continue
        for criterion in CRITERIA:
            verdict = getattr(reply.record, criterion)
            rows.append(
                {
                    "query_id": duel.query_id,
                    "criterion": criterion,
                    "candidate": duel.candidate,
                    "baseline": duel.baseline,
                    "candidate_seat": seat,
                    "trial": trial,
                    "winner_seat": verdict.winner,
                    "reason": verdict.reason,
                    "call_id": reply.call_id,
                }
            )
    return frame_of(Judgements, rows)


def fold_seats(candidate_first: Seat, candidate_second: Seat) -> Winner:
    """Combine the two seatings of one comparison; disagreement is a tie."""
    won = _WON_FROM["first"][candidate_first]
    return won if won == _WON_FROM["second"][candidate_second] else "tie"


def fold_judgements(judgements: pd.DataFrame) -> pd.DataFrame:
    """Fold Judgements into Verdicts; a trial of which one seat has no reply has no verdict."""
    rows = []
    for keys, pair in judgements.groupby(_JUDGED, sort=True):
        seats = dict(zip(pair["candidate_seat"], pair["winner_seat"], strict=True))
        if set(seats) != set(SEATS):
            continue
        winner = fold_seats(seats["first"], seats["second"])
        agree = _WON_FROM["first"][seats["first"]] == _WON_FROM["second"][seats["second"]]
        rows.append(
            {**dict(zip(_JUDGED, keys, strict=True)), "winner": winner} | {"seats_agree": agree}
        )
    return frame_of(Verdicts, rows)


def _sittings(duels: Sequence[Duel], n_trials: int) -> Iterator[tuple[Duel, str, int]]:
    for duel in duels:
        for trial in range(n_trials):
            for seat in SEATS:
                yield duel, seat, trial
