"""The same question in other words: people use short names and other words for a thing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from ragtuned_kedro.schemas.ids import is_chosen, seeded_order
from ragtuned_kedro.synthesis.drafts import Draft
from ragtuned_kedro.synthesis.thesaurus import OTHER_WORDS


def short_names(entity_mentions: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Map a full name to the shorter spellings that the corpus itself uses for it."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in entity_mentions.itertuples():
        words = row.surface.split()
        if (
            row.surface != row.name
            and row.surface[0].isupper()
            and set(words) <= set(row.name.split())
        ):
            found[row.name].add(row.surface)
    return {name: tuple(sorted(spellings)) for name, spellings in found.items()}


def vary(draft: Draft, names: Mapping[str, tuple[str, ...]], *, seed: int) -> Iterator[Draft]:
    """Yield a draft in its own words, in other words where there are some, and in fewer.

    `names` maps a full name to its `short_names`.
    """
    named = vary_names(draft, names, seed=seed)
    yield named
    reworded = vary_words(named, seed=seed)
    if reworded != named:
        yield reworded
    if draft.kind in {"local", "linked", "entity_description"}:
        yield drop_words(reworded, seed=seed)


def vary_names(draft: Draft, short: Mapping[str, tuple[str, ...]], *, seed: int) -> Draft:
    """Call some of the people of a question by the short names that the corpus uses.

    About half of the names are shortened, chosen by hash. The answer keeps the full name, so the
    model learns who the short name is.
    """
    question = draft.question
    for name, spellings in sorted(short.items(), key=lambda item: -len(item[0])):
        if name not in question:
            continue
        options = [name] * len(spellings) + list(spellings)
        chosen = seeded_order([f"{question}|{n}|{o}" for n, o in enumerate(options)], seed=seed)[0]
        question = question.replace(name, chosen.rsplit("|", 1)[1])
    return replace(draft, question=question)


def vary_words(draft: Draft, *, seed: int) -> Draft:
    """Put other words for some of the common words of a question; about half, chosen by hash."""
    words = draft.question.split(" ")
    for place, word in enumerate(words):
        core = word.rstrip("?.,")
        others = OTHER_WORDS.get(core)
        if place == 0 or not others:
            continue
        options = [
            f"{draft.question}|{place}|{other}" for other in (*others, *[core] * len(others))
        ]
        chosen = seeded_order(options, seed=seed)[0].rsplit("|", 1)[1]
        words[place] = chosen + word[len(core) :]
    return replace(draft, question=" ".join(words))


def drop_words(draft: Draft, *, seed: int) -> Draft:
    """Leave out about three in ten of a question's words, chosen by hash; never a name.

    People's questions share some words with the text and not others: what is left has to do.
    """
    first, *others = draft.question.rstrip("?.").split(" ")
    kept = [
        word
        for place, word in enumerate(others)
        if word[:1].isupper() or not is_chosen(f"{draft.question}|{place}", share=0.3, seed=seed)
    ]
    return replace(draft, question=f"{' '.join([first, *kept])}?")
