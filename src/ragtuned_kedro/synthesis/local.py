"""Questions about single sentences: wh-questions of their clauses, descriptions and keywords."""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from ragtuned_kedro.synthesis.asking import ask
from ragtuned_kedro.synthesis.clauses import read_clauses
from ragtuned_kedro.synthesis.constituents import PersonTest, phrase
from ragtuned_kedro.synthesis.descriptions import ask_description, read_descriptions
from ragtuned_kedro.synthesis.drafts import Draft
from ragtuned_kedro.synthesis.reading import ReadSentence


def ask_sentences(
    sentences: Iterable[ReadSentence],
    is_person: PersonTest,
    dates: Mapping[str, str],
    passages: Mapping[str, str],
) -> Iterator[Draft]:
    """Ask every sentence everything its clauses, descriptions and keywords give.

    `dates` maps a doc_id to its date in words; documents without a date are absent from it.
    `passages` maps a sentence_id to the passage that answers questions about it.
    """

    def draft(
        sentence: ReadSentence, kind: str, question: str, wants: str, short: str, lead: str = ""
    ) -> Draft:
        return Draft(
            kind=kind,
            anchor_kind="sentence",
            anchor_id=sentence.sentence_id,
            question=question,
            wants=wants,
            answer=lead + passages[sentence.sentence_id],
            evidence=(sentence.sentence_id,),
            short=short,
        )

    for sentence in sentences:
        for clause in read_clauses(sentence.doc):
            for asked in ask(clause, is_person):
                yield draft(sentence, "local", asked.text, asked.wants, asked.answer)
        if sentence.position == 0 and (date := dates.get(sentence.doc_id)):
            # A date that the passage does not state goes before it.
            lead = "" if date in passages[sentence.sentence_id] else f"{date}. "
            for question in _dated(sentence, is_person):
                yield draft(sentence, "local", question, "when", date, lead)
        for question in _keywords(sentence):
            yield draft(sentence, "local", question, "keywords", "")
        for description in read_descriptions(sentence.doc, is_person):
            for question, wants, answer in ask_description(description):
                yield draft(sentence, "entity_description", question, wants, answer)


def _dated(sentence: ReadSentence, is_person: PersonTest) -> Iterator[str]:
    """Ask when something happened; where the sentence does not say, the document's date does."""
    for clause in itertools.islice(read_clauses(sentence.doc), 2):
        if clause.is_negated or clause.is_copular:
            continue
        for asked in ask(clause, is_person):
            if asked.wants == "when":
                return
        kept = " ".join(p.text for p in clause.parts if p.is_core and len(p.text.split()) <= 8)
        if clause.auxiliaries:
            first, *others = clause.auxiliaries
            verb = " ".join([*others, clause.verb_text])
        else:
            first, verb = "did", f"{clause.verb.lemma_} {clause.particle}"
        words = f"{first} {clause.subject} {verb} {kept}".split()
        yield f"When {' '.join(words)}?"


def _keywords(sentence: ReadSentence) -> Iterator[str]:
    """Ask by two keywords, so that every sentence can be reached however it parses."""
    words = list(
        dict.fromkeys(
            phrase(chunk.root)
            for chunk in sentence.doc.noun_chunks
            if chunk.root.pos_ in {"NOUN", "PROPN"}
        )
    )
    words = [w for w in words if len(w.split()) <= 6]
    words = [w for w in words if not any(w != other and w in other for other in words)]
    for n, (one, other) in enumerate(itertools.combinations(words, 2)):
        forms = (
            "What is said about {} and {}?",
            "What do you know about {} and {}?",
            "What about {} and {}?",
        )
        yield forms[n % 3].format(one, other)
    if len(words) == 1:
        yield f"What is said about {words[0]}?"


def dates_in_words(documents: pd.DataFrame) -> dict[str, str]:
    """Map doc_id to a date such as "9 January 1974", for documents that have one."""
    return {
        row.doc_id: f"{row.published_at.day} {row.published_at.strftime('%B %Y')}"
        for row in documents.itertuples()
        if not pd.isna(row.published_at)
    }


def contexts_of(documents: pd.DataFrame, sentences: pd.DataFrame) -> dict[str, str]:
    """Map each sentence to what its document says beside it: its text, date and author."""
    dates = dates_in_words(documents)
    texts = sentences.groupby("doc_id")["statement"].agg(" ".join)
    about = {
        row.doc_id: f"{texts.get(row.doc_id, '')} {dates.get(row.doc_id, '')} {row.author}"
        for row in documents.itertuples()
    }
    return {row.sentence_id: about[row.doc_id] for row in sentences.itertuples()}
