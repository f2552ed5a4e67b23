"""Two-hop questions along the paths of the graph: the bridge is named only by a fact about it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ragtuned_kedro.synthesis.constituents import PersonTest
from ragtuned_kedro.synthesis.descriptions import Description, read_descriptions
from ragtuned_kedro.synthesis.drafts import Draft, first_upper
from ragtuned_kedro.synthesis.reading import ReadSentence


def ask_linked(
    sentences: Sequence[ReadSentence], local: Iterable[Draft], is_person: PersonTest
) -> Iterator[Draft]:
    """Replace a name in a question about one sentence by its description from another.

    The answer first names the bridge, then says the passage asked for: two short steps, each of
    which is also taught alone.
    """
    described: dict[str, list[tuple[Description, str]]] = defaultdict(list)
    for sentence in sentences:
        for description in read_descriptions(sentence.doc, is_person):
            described[description.name].append((description, sentence.sentence_id))
    longer = {
        name: [n for s in sentences for n in s.names if name in n and n != name]
        for name in described
    }
    for draft in local:
        if draft.kind != "local" or draft.wants == "keywords":
            continue
        for name, descriptions in described.items():
            if not _is_asked_about(name, draft) or any(n in draft.question for n in longer[name]):
                continue
            for description, sentence_id in descriptions:
                if sentence_id not in draft.evidence:
                    yield _link(draft, description, sentence_id)


def _is_asked_about(name: str, draft: Draft) -> bool:
    return draft.question.count(name) == 1 and name not in draft.short


def _link(draft: Draft, description: Description, sentence_id: str) -> Draft:
    pattern = re.escape(description.name)
    # "the Dipper" becomes "the crab boat", never "the the crab boat".
    question = re.sub(rf"\b([Tt]he )?{pattern}", lambda _: description.text, draft.question)
    if description.source == "deed":
        # A relative clause needs a mark before the rest of the question goes on.
        question = question.replace(f"{description.text} ", f"{description.text}, ", 1)
    return Draft(
        kind="linked",
        anchor_kind="sentence",
        anchor_id=draft.anchor_id,
        question=question,
        wants=description.source,
        answer=draft.answer,
        evidence=(sentence_id, *draft.evidence),
        short=draft.short,
        reasoning=f"{first_upper(description.text)} is {description.name}.",
    )
