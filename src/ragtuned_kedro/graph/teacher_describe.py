"""What many mentions say of one thing, brought together by a teacher."""

from collections.abc import Mapping

import pandas as pd

from ragtuned_kedro.graph.merge import entity_key
from ragtuned_kedro.language_models.asked import calls_table
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.graph_tables import Entities, Relationships
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.tables import Rejections, frame_of
from ragtuned_kedro.schemas.teacher_replies import Description

STAGE = "build_graph.describe"


def describe_with_teacher(
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    relationship_mentions: pd.DataFrame,
    asker: Asker,
    prompts: PromptBook,
    *,
    language: str,
    max_words: int,
    max_new_tokens: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Describe Entities and Relationships anew: both tables, ModelCalls and Rejections.

    What is described only once keeps that description and costs no call; so does what the teacher
    gives no usable reply for, which is a rejection.
    """
    names = dict(zip(entities["entity_id"], entities["name"], strict=True))
    subjects = names | {
        row.relationship_id: f"how {names[row.source_id]} and {names[row.target_id]} are connected"
        for row in relationships.itertuples()
    }
    notes = _notes(entity_mentions, relationship_mentions)
    asked = Prompts(
        [key for key in sorted(subjects) if len(notes[key]) > 1],
        lambda key: prompts["describe"].render(
            key, subject=subjects[key], notes=notes[key], language=language, max_words=max_words
        ),
    )
    answered = asker.ask_all(asked, Description, stage=STAGE, max_new_tokens=max_new_tokens)
    told = {
        key: (reply.record.description, reply.call_id) for key, reply in answered.replies.items()
    }
    return (
        frame_of(Entities, _described(entities, "entity_id", told)),
        frame_of(Relationships, _described(relationships, "relationship_id", told)),
        calls_table(answered.calls),
        frame_of(Rejections, answered.rejections),
    )


def _notes(
    entity_mentions: pd.DataFrame, relationship_mentions: pd.DataFrame
) -> dict[str, list[str]]:
    """List the distinct descriptions of each entity and relationship, in the order of mentions."""
    notes: dict[str, list[str]] = {}
    for row in entity_mentions.itertuples():
        notes.setdefault(entity_key(row.name), []).append(row.description)
    for row in relationship_mentions.itertuples():
        ends = sorted((entity_key(row.source_name), entity_key(row.target_name)))
        notes.setdefault(content_id("rel", *ends), []).append(row.description)
    return {key: list(dict.fromkeys(said)) for key, said in notes.items()}


def _described(frame: pd.DataFrame, key: str, told: Mapping[str, tuple[str, str]]) -> list[dict]:
    rows = []
    for row in frame.to_dict("records"):
        description, call_id = told.get(row[key], (row["description"], None))
        rows.append(row | {"description": description, "call_id": call_id})
    return rows
