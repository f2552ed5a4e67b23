import pandas as pd

from ragtuned_kedro.evaluation.judge import STAGE as JUDGING
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.embedder import Embedder
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.reporting.spending import compare_spending, disclose
from ragtuned_kedro.retrieval.passages import list_indexed_texts


def compare(
    call_estimates: pd.DataFrame,
    judge: Asker,
    judge_calls: pd.DataFrame,
    embedder_folder: Embedder,
    embedding_calls: pd.DataFrame,
    teacher: Asker | None = None,
    **calls: pd.DataFrame,
) -> pd.DataFrame:
    """Set what was spent beside the estimate; `calls` are the teacher's.

    What the caps count is all listed: probing an endpoint has a stage of its own.
    """
    paid = [] if teacher is None else [(table, teacher.spending) for table in calls.values()]
    paid.append((judge_calls, judge.spending))
    # A judge that is the teacher was probed with it, once.
    askers = [judge] if teacher is None else [judge, teacher]
    probed = {(one.model_id, one.endpoint): one for one in askers}
    paid += [(one.probe_calls(), one.spending) for one in probed.values()]
    if isinstance(embedder_folder, EmbeddingEndpoint):
        paid.append((embedding_calls, embedder_folder.spending))
    return compare_spending(paid, call_estimates)


def list_disclosures(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    entity_chunks: pd.DataFrame,
    relationship_chunks: pd.DataFrame,
    community_members: pd.DataFrame,
    query_evidence: pd.DataFrame,
    sentences: pd.DataFrame,
    embedder_folder: Embedder,
    sendings: pd.DataFrame,
    **calls: pd.DataFrame,
) -> pd.DataFrame:
    """List whose text was sent where.

    Of texts that were embedded, chunks and sentences lead back to their documents; questions,
    entities, reports and answers do not.
    """
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
    if isinstance(embedder_folder, EmbeddingEndpoint):
        for doc_id, text in list_indexed_texts(chunks, sentences, documents):
            docs_of.setdefault(embedder_folder.request_sha(text), set()).add(doc_id)
    # A judge is shown answers, and the tuned model's may recite any document.
    sent = [sendings, *calls.values()]
    return disclose(sent, documents, chunks, docs_of, reciting_stages={JUDGING})
