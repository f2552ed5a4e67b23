"""The book of a corpus's names: which spelling is whose, and what each name names."""

from collections import Counter
from collections.abc import Iterable

from spacy.tokens import Doc, Span

from ragtuned_kedro.graph.name_votes import name_types, person_genders
from ragtuned_kedro.graph.names import NameBook, bare_name, corpus_spans


def read_names(docs: Iterable[Doc]) -> NameBook:
    """Collect the corpus's names, merge their spellings and decide what each one names."""
    docs = list(docs)
    spans = corpus_spans(docs)
    counts = Counter(bare_name(span) for span in spans)
    canonical = _canonical_spellings(counts, spans)
    types = name_types(spans, canonical)
    articles = Counter(
        canonical[bare_name(s)]
        for s in spans
        if s.start and s.doc[s.start - 1].lower_ == "the" and s.text == canonical[bare_name(s)]
    )
    full = Counter(canonical[bare_name(s)] for s in spans if s.text == canonical[bare_name(s)])
    with_article = frozenset(name for name, n in articles.items() if 2 * n > full[name])
    return NameBook(canonical, types, person_genders(docs, canonical, types), with_article)


def _canonical_spellings(counts: Counter[str], spans: list[Span]) -> dict[str, str]:
    """Map each spelling to the full name it stands for.

    A single word stands for a longer name when exactly one longer name starts with it, or, failing
    that, exactly one ends with it; so a family name shared by two people stands for nobody.
    """
    full = [name for name in counts if " " in name]
    titled = {bare_name(span): span.text for span in spans if span.text != bare_name(span)}
    canonical = {}
    for name in counts:
        target = name
        if " " not in name:
            starting = {f for f in full if f.split()[0] == name}
            ending = {f for f in full if f.split()[-1] == name}
            for candidates in (starting, ending):
                shortest = _without_extensions(candidates)
                if len(shortest) == 1:
                    target = shortest.pop()
                    break
        canonical[name] = " ".join(titled.get(target, target).split())
    return canonical


def _without_extensions(names: set[str]) -> set[str]:
    """Drop names that only extend another one ("Culver Mill Society" beside "Culver Mill")."""
    return {n for n in names if not any(n != m and n.startswith(m + " ") for m in names)}
