import pandas as pd

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.reporting.spending import compare_spending, disclose


def compare(call_estimates: pd.DataFrame, teacher: Asker, **calls: pd.DataFrame) -> pd.DataFrame:
    """Set what was spent beside the estimate."""
    return compare_spending(list(calls.values()), call_estimates, teacher.spending)


def list_disclosures(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    entity_chunks: pd.DataFrame,
    relationship_chunks: pd.DataFrame,
    community_members: pd.DataFrame,
    **calls: pd.DataFrame,
) -> pd.DataFrame:
    """List whose text was sent where."""
    chunks_of: dict[str, list[str]] = {
        **entity_chunks.groupby("entity_id")["chunk_id"].agg(list).to_dict(),
        **relationship_chunks.groupby("relationship_id")["chunk_id"].agg(list).to_dict(),
    }
    for community_id, members in community_members.groupby("community_id")["entity_id"]:
        told = (chunk for member in members for chunk in chunks_of[member])
        chunks_of[str(community_id)] = list(dict.fromkeys(told))
    return disclose(list(calls.values()), documents, chunks, chunks_of)
