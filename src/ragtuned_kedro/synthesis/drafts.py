"""Drafts: a question with its answer and its evidence, before any gate."""

from dataclasses import dataclass

# Every kind of question this room makes; the keys of `synthesis.mix`. The first five are the
# paper's (section 3), the last three are ours.
KINDS = {
    "local": "a wh-question about a clause of one sentence, or its keywords",
    "entity_description": "who or what an entity is",
    "entity_reasoning": "what several sentences together tell of an entity",
    "relationship_description": "how two entities of one sentence are connected",
    "relationship_reasoning": "what several sentences together tell of two entities",
    "global": "what a community, a period or the whole corpus is about",
    "linked": "a question whose entity is named only by another fact about it",
    "unanswerable": "a question that the corpus does not answer",
}
SCOPES = {
    **dict.fromkeys(
        ("local", "entity_description", "relationship_description", "relationship_reasoning"),
        "local",
    ),
    "entity_reasoning": "global",
    "global": "global",
    "linked": "linked",
    "unanswerable": "unanswerable",
}


@dataclass(frozen=True)
class Draft:
    """A question, what it wants (who, when, how_many, ...), its answer and the sentences behind it.

    `reasoning` is said before the answer: the first hop of a linked question. `short` is the part
    of the answer that decides it, empty where the whole answer does.
    """

    kind: str
    anchor_kind: str
    anchor_id: str
    question: str
    wants: str
    answer: str
    evidence: tuple[str, ...]
    short: str = ""
    reasoning: str = ""

    @property
    def scope(self) -> str:
        """Local, linked, global or unanswerable."""
        return SCOPES[self.kind]


def first_upper(text: str) -> str:
    """Begin a sentence with a capital."""
    return text[:1].upper() + text[1:]


def join_names(names: list[str]) -> str:
    """List names as a sentence does: "A, B and C"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
