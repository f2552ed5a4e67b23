"""Tables as a small run leaves them, made from the demo journal with rules a reader can check."""

import itertools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pandas as pd

from ragtuned_kedro.evaluation.assertions import score_answers
from ragtuned_kedro.evaluation.comparison import build_comparison
from ragtuned_kedro.evaluation.overlap import measure_overlaps
from ragtuned_kedro.evaluation.queries import QuestionTables, read_questions
from ragtuned_kedro.evaluation.running_costs import measure_running_costs
from ragtuned_kedro.evaluation.scorecard import QUERY_SET, build_scorecard
from ragtuned_kedro.evaluation.verdicts import verdicts_from_scores
from ragtuned_kedro.schemas.answering_tables import Answers
from ragtuned_kedro.schemas.community_tables import (
    Communities,
    CommunityMembers,
    CommunityReports,
    ReportFindings,
)
from ragtuned_kedro.schemas.graph_tables import Entities, Relationships, Sentences
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.synthesis_tables import QaEvidence, QaPairs, TrainingQueries
from ragtuned_kedro.schemas.tables import Ledger, TrainingLog, frame_of

JOURNAL = Path(__file__).parents[2] / "data" / "01_raw"
SYSTEMS = ("base_model", "rag_tuned", "vanilla_rag")
ABSTENTIONS = ("not mentioned", "do not know", "says nothing about")
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]+(?: [A-Z][a-z]+)*")


@dataclass(frozen=True)
class RunTables:
    """What the stages before the report leave behind."""

    documents: pd.DataFrame
    sentences: pd.DataFrame
    entities: pd.DataFrame
    relationships: pd.DataFrame
    communities: pd.DataFrame
    community_members: pd.DataFrame
    community_reports: pd.DataFrame
    report_findings: pd.DataFrame
    training_queries: pd.DataFrame
    qa_pairs: pd.DataFrame
    qa_evidence: pd.DataFrame
    ledger: pd.DataFrame
    training_log: pd.DataFrame
    questions: QuestionTables
    answers: pd.DataFrame
    scores: pd.DataFrame
    metrics: pd.DataFrame
    comparison: pd.DataFrame
    running_costs: pd.DataFrame


def run_tables(*, title: str | None = None, n_documents: int = 44) -> RunTables:
    """Build the tables; `title` replaces the first document's title."""
    documents, sentences = _documents(title, n_documents)
    entities, relationships = _graph(sentences)
    communities, members = _communities(entities, relationships)
    reports, findings = _reports(communities, members, entities, sentences)
    training_queries, qa_pairs, qa_evidence = _pairs(sentences)
    questions = read_questions(
        [(file.name, file.read_bytes()) for file in (JOURNAL / "questions").iterdir()],
        known_documents=set(documents["source_uri"]),
    )
    answers = _answers(questions)
    scores = score_answers(
        questions.queries, questions.assertions, answers, abstention_phrases=ABSTENTIONS
    )
    metrics = build_scorecard(
        questions.queries,
        answers,
        scores,
        candidate="rag_tuned",
        baseline="base_model",
        n_bootstrap=200,
        confidence=0.95,
        seed=1,
    )
    comparison = build_comparison(
        questions.queries,
        answers,
        scores,
        measure_overlaps(questions.queries, questions.assertions, answers, embed=None),
        verdicts_from_scores(scores, systems=SYSTEMS),
        systems=SYSTEMS,
        query_set=QUERY_SET,
        n_bootstrap=200,
        confidence=0.95,
        seed=1,
    )
    running_costs = measure_running_costs(
        comparison,
        {"base_model": 0.5, "rag_tuned": 1200.0, "vanilla_rag": 30.0},
        query_set=QUERY_SET,
        candidate="rag_tuned",
    )
    ledger = frame_of(
        Ledger,
        [
            {"stage": "synthesize_qa", "unit_kind": "query", "outcome": "accepted", "n": 612},
            {"stage": "synthesize_qa", "unit_kind": "query", "outcome": "near_duplicate", "n": 140},
            {"stage": "synthesize_qa", "unit_kind": "query", "outcome": "contaminated", "n": 3},
            {"stage": "synthesize_qa", "unit_kind": "document", "outcome": "accepted", "n": 44},
        ],
    )
    return RunTables(
        documents,
        sentences,
        entities,
        relationships,
        communities,
        members,
        reports,
        findings,
        training_queries,
        qa_pairs,
        qa_evidence,
        ledger,
        _training_log(),
        questions,
        answers,
        scores,
        metrics,
        comparison,
        running_costs,
    )


def _documents(title: str | None, n_documents: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    documents, sentences = [], []
    for file in sorted((JOURNAL / "journal").iterdir())[:n_documents]:
        _, front, body = file.read_text().split("---\n", 2)
        named = title if title and not documents else front.split("title: ")[1].split("\n")[0]
        doc_id = content_id("doc", file.name, body)
        documents.append(
            {
                "doc_id": doc_id,
                "source_uri": file.name,
                "title": named,
                "text": body,
                "author": None,
                "category": None,
                "published_at": pd.NaT,
                "n_chars": len(body),
                "n_tokens": len(body.split()),
            }
        )
        for position, match in enumerate(re.finditer(r"[^.!?\n]+[.!?]", body)):
            sentences.append(
                {
                    "sentence_id": content_id("sent", doc_id, match.start()),
                    "doc_id": doc_id,
                    "chunk_id": "chunk-1",
                    "position": position,
                    "start_char": match.start(),
                    "end_char": match.end(),
                    "text": match[0].strip(),
                    "statement": match[0].strip(),
                }
            )
    frame = pd.DataFrame(documents)
    frame["published_at"] = pd.to_datetime(frame["published_at"], utc=True).astype(
        "datetime64[us, UTC]"
    )
    return frame, frame_of(Sentences, sentences)


def _graph(sentences: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    mentions: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    said: dict[str, str] = {}
    for text in sentences["text"]:
        names = sorted(set(_NAME.findall(text)))
        mentions.update(names)
        pairs.update(itertools.combinations(names, 2))
        said |= {name: text for name in names if name not in said}
    kept = {name: content_id("ent", name) for name, n in mentions.items() if n > 1}
    edges = {pair: n for pair, n in pairs.items() if set(pair) <= set(kept)}
    degree = Counter(name for pair in edges for name in pair)
    entities = [
        {
            "entity_id": entity_id,
            "name": name,
            "type": "PERSON" if " " in name else "OTHER",
            "description": said[name],
            "n_mentions": mentions[name],
            "n_chunks": 1,
            "degree": degree[name],
            "call_id": None,
        }
        for name, entity_id in sorted(kept.items())
    ]
    relationships = [
        {
            "relationship_id": content_id("rel", *pair),
            "source_id": min(kept[pair[0]], kept[pair[1]]),
            "target_id": max(kept[pair[0]], kept[pair[1]]),
            "description": "named together",
            "weight": float(n),
            "n_mentions": n,
            "call_id": None,
        }
        for pair, n in sorted(edges.items())
    ]
    return frame_of(Entities, entities), frame_of(Relationships, relationships)


def _communities(
    entities: pd.DataFrame, relationships: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    graph = nx.Graph()
    graph.add_nodes_from(sorted(entities["entity_id"]))
    graph.add_edges_from(
        relationships.sort_values("relationship_id")[["source_id", "target_id"]].to_numpy()
    )
    rows, members = [], []

    def add(level: int, parent_id: str | None, found: list[str]) -> None:
        community_id = content_id("comm", level, *found)
        inside = graph.subgraph(found)
        parts = (
            nx.community.louvain_communities(inside, seed=1, resolution=1.2)
            if len(found) > 8 and level < 2
            else [set(found)]
        )
        rows.append(
            {
                "community_id": community_id,
                "level": level,
                "parent_id": parent_id,
                "n_entities": len(found),
                "n_relationships": inside.number_of_edges(),
                "n_chunks": 1,
                "is_leaf": len(parts) < 2,
            }
        )
        members.extend(
            {"community_id": community_id, "level": level, "entity_id": one} for one in found
        )
        for part in sorted(map(sorted, parts)) if len(parts) > 1 else []:
            add(level + 1, community_id, part)

    for part in nx.community.louvain_communities(graph, seed=1, resolution=0.8):
        add(0, None, sorted(part))
    return frame_of(Communities, rows), frame_of(CommunityMembers, members)


def _reports(
    communities: pd.DataFrame,
    members: pd.DataFrame,
    entities: pd.DataFrame,
    sentences: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    named = members.merge(entities, on="entity_id").sort_values("degree", ascending=False)
    reports, findings = [], []
    for community_id, group in named.groupby("community_id", sort=False):
        names = list(group["name"])
        reports.append(
            {
                "community_id": community_id,
                "title": ", ".join(names[:3]),
                "summary": group["description"].iloc[0],
                "rating": min(10.0, float(len(group))),
                "rating_reason": "size",
                "text": group["description"].iloc[0],
                "n_tokens": 30,
                "context_source": "members",
                "call_id": None,
            }
        )
        findings += [
            {
                "community_id": community_id,
                "position": position,
                "summary": name,
                "explanation": description,
                "sentence_id": None,
            }
            for position, (name, description) in enumerate(
                zip(names[1:4], group["description"].iloc[1:4], strict=True)
            )
        ]
    return frame_of(CommunityReports, reports), frame_of(ReportFindings, findings)


def _pairs(sentences: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    queries, pairs, evidence = [], [], []
    for row in sentences.to_dict("records"):
        names = _NAME.findall(row["text"])
        if not names:
            continue
        text = f"What is told of {names[0]} in {row['sentence_id'][-4:]}?"
        query_id = content_id("query", text)
        qa_id = content_id("qa", query_id)
        queries.append(
            {
                "query_id": query_id,
                "kind": "sentence_recall",
                "scope": "local",
                "anchor_kind": "sentence",
                "anchor_id": row["sentence_id"],
                "origin": "template",
                "text": text,
                "call_id": None,
            }
        )
        pairs.append(
            {
                "qa_id": qa_id,
                "query_id": query_id,
                "reasoning": "",
                "answer": row["text"],
                "n_answer_tokens": 20,
                "call_id": None,
            }
        )
        evidence.append(
            {
                "qa_id": qa_id,
                "chunk_id": row["chunk_id"],
                "sentence_id": row["sentence_id"],
                "position": 0,
            }
        )
    return (
        frame_of(TrainingQueries, queries),
        frame_of(QaPairs, pairs),
        frame_of(QaEvidence, evidence),
    )


def _answers(questions: QuestionTables) -> pd.DataFrame:
    """The tuned system knows two of three references; the base model one of twenty; one fails.

    Vanilla RAG is asked every second question only; of these it knows three of four.
    """
    references = defaultdict(lambda: "The journal says nothing about that.")
    references |= questions.queries.set_index("query_id")["reference"].dropna().to_dict()
    rows = []
    for place, query_id in enumerate(sorted(questions.queries["query_id"])):
        known = dict(zip(SYSTEMS, (place % 20 == 0, place % 3 > 0, place % 8 > 0), strict=True))
        for system, knows in known.items():
            if system == "vanilla_rag" and place % 2:
                continue
            failed = system == "rag_tuned" and place == 4
            guess = "It was a bright and windy morning, and everybody was glad of it."
            rows.append(
                {
                    "query_id": query_id,
                    "system": system,
                    "sample": 0,
                    "text": "" if failed else references[query_id] if knows else guess,
                    "finish_reason": "error" if failed else "stop",
                    "n_prompt_tokens": 900 if system == "vanilla_rag" else 40,
                    "n_completion_tokens": 0 if failed else 12 + place % 9,
                    "first_token_seconds": None if system == "base_model" else 0.1,
                    "seconds": 0.4 + (place % 7) / 10 + 2 * (system == "vanilla_rag"),
                    "peak_memory_bytes": 1_300_000_000,
                    "error": "out of memory" if failed else None,
                }
            )
    return frame_of(Answers, rows)


def _training_log() -> pd.DataFrame:
    return frame_of(
        TrainingLog,
        [
            {
                "step": step,
                "epoch": step / 40,
                "split": split,
                "loss": 0.4 + 3.2 / (1 + step / 12) + (0.35 if split == "validation" else 0.0),
                "learning_rate": 2e-4,
                "grad_norm": 1.0,
                "target_tokens_seen": step * 900,
                "seconds": step * 1.5,
                "peak_memory_bytes": 2_000_000_000,
            }
            for split, every in (("train", 2), ("validation", 20))
            for step in range(every, 161, every)
        ],
    )
