import pandas as pd

from ragtuned_kedro.evaluation.judge import STAGE as JUDGING
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.reporting.spending import compare_spending, disclose


def compare(
    call_estimates: pd.DataFrame,
    judge: Asker,
    judge_calls: pd.DataFrame,
    teacher: Asker | None = None,
    **calls: pd.DataFrame,
) -> pd.DataFrame:
    """Set what was spent beside the estimate; `calls` are the teacher's."""
    taught = [] if teacher is None else [(table, teacher.spending) for table in calls.values()]
    return compare_spending([*taught, (judge_calls, judge.spending)], call_estimates)


def list_disclosures(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    entity_chunks: pd.DataFrame,
    relationship_chunks: pd.DataFrame,
    community_members: pd.DataFrame,
    query_evidence: pd.DataFrame,
    **calls: pd.DataFrame,
) -> pd.DataFrame:
    """List whose text was sent where."""
    doc_of = dict(zip(chunks["chunk_id"], chunks["doc_id"], strict=True))
    docs_of: dict[str, set[str]] = {}
    for links, key in ((entity_chunks, "entity_id"), (relationship_chunks, "relationship_id")):
        for link in links.itertuples():
            docs_of.setdefault(getattr(link, key), set()).add(doc_of[link.chunk_id])
    for member in community_members.itertuples():
        docs_of.setdefault(member.community_id, set()).update(docs_of.get(member.entity_id, ()))
    by_uri = dict(zip(documents["source_uri"], documents["doc_id"], strict=True))
    for link in query_evidence.itertuples():
        if link.source_uri in by_uri:
            docs_of.setdefault(link.query_id, set()).add(by_uri[link.source_uri])
    # A judge is shown answers, and the tuned model's may recite any document.
    return disclose(list(calls.values()), documents, chunks, docs_of, reciting_stages={JUDGING})
