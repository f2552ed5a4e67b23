"""What an embedder over HTTP will be sent, when only the corpus and the questions are known."""

from collections.abc import Collection

from ragtuned_kedro.language_models.embedding_endpoint import STAGE
from ragtuned_kedro.language_models.estimate import CallPlan, CountTokens, Range
from ragtuned_kedro.schemas.teaching_parameters import EstimateParams

# An entity with its description, a report, a finding, a question and an answer, in tokens.
_ENTITY_TOKENS, _LEAST_REPORT_TOKENS, _FINDING_TOKENS = (12.0, 120.0), 40.0, (6.0, 80.0)
_QUESTION_TOKENS, _LEAST_ANSWER_TOKENS = (6.0, 40.0), 4.0


def plan_embedding(
    known: Collection[str],
    n_chunks: int,
    count_tokens: CountTokens,
    *,
    n_generated: int,
    n_answers: int,
    report_tokens: int,
    max_findings: int,
    answer_tokens: int,
    assumed: EstimateParams,
) -> CallPlan:
    """Plan the texts of one run; a text is a call, and equal texts are sent once.

    `known` texts are counted. Entities, reports and findings are assumed, as for a teacher; of
    `n_generated` questions at most each may have a reference, and of `n_answers` all may be equal.
    """
    fewest, most = assumed.entities_per_community
    entities = assumed.entities_per_chunk
    things = (
        n_chunks * (entities[0] + assumed.relationships_per_chunk[0]),
        n_chunks * (entities[1] + assumed.relationships_per_chunk[1]),
    )
    reports = (things[0] / most / 2, things[1] / fewest)
    texts = list(dict.fromkeys(known))
    n_tokens = float(sum(count_tokens(text) for text in texts))
    # How many texts of a kind, and how many tokens each.
    assumptions: list[tuple[Range, Range]] = [
        # The same entity is met in several chunks.
        ((n_chunks * entities[0] / 2, n_chunks * entities[1]), _ENTITY_TOKENS),
        (reports, (_LEAST_REPORT_TOKENS, report_tokens)),
        ((reports[0], reports[1] * max_findings), _FINDING_TOKENS),
        ((0, 2 * n_generated), _QUESTION_TOKENS),
        ((min(1, n_answers), n_answers), (_LEAST_ANSWER_TOKENS, answer_tokens)),
    ]
    low, high = (
        (
            len(texts) + sum(n[end] for n, _ in assumptions),
            n_tokens + sum(n[end] * each[end] for n, each in assumptions),
        )
        for end in (0, 1)
    )
    per_text = (low[1] / max(low[0], 1), high[1] / max(high[0], 1))
    return CallPlan(STAGE, (low[0], high[0]), per_text, 0, is_counted=False)
