"""Whom a pronoun means, where that is certain, and the sentence that says it by name."""

import re
from collections.abc import Mapping, Sequence

from spacy.tokens import Doc, Span, Token

from ragtuned_kedro.graph.name_votes import pronoun_gender
from ragtuned_kedro.graph.names import Name, NameBook

_SUBJECTS = frozenset({"nsubj", "nsubjpass"})
_FIRST_PERSON = frozenset({"i", "me", "my", "mine"})
_THING = frozenset({"it", "its"})
_PERSON_NOUN = re.compile(r"(er|or|ist|ian|eon|man|woman|ess|tice|boy|girl|child)$")
_POSSESSIVE = frozenset({"his", "her", "its", "my"})


def resolve_pronouns(
    doc: Doc, names: Sequence[Name], book: NameBook, author: str | None
) -> dict[int, str]:
    """Map token positions of pronouns to canonical names; what is not certain is left out.

    A third-person pronoun means the one person of its gender named earlier in its sentence, else
    in the sentence before; among several, the only subject. `it` at the head of a sentence means
    the only named thing of the sentence before. The first person means `author`. Inside quotation
    marks nothing is resolved, since another voice speaks there.
    """
    resolved: dict[int, str] = {}
    previous: list[tuple[str, bool]] = []
    for sentence in doc.sents:
        current = [
            (n.canonical, _is_subject(doc[n.start : n.end].root), n.start)
            for n in names
            if sentence.start <= n.start < sentence.end
        ]
        for token in sentence:
            if _in_quotes(token):
                continue
            target = _target(token, sentence, current, previous, book, author)
            if target:
                resolved[token.i] = target
                current.append((target, _is_subject(token), token.i))
        previous = [(name, subject) for name, subject, _ in current] or previous
    return resolved


def _target(
    token: Token,
    sentence: Span,
    current: list[tuple[str, bool, int]],
    previous: list[tuple[str, bool]],
    book: NameBook,
    author: str | None,
) -> str | None:
    word = token.lower_
    if word in _FIRST_PERSON:
        return None if any(name == author for name, _, _ in current if name) else author
    if word in _THING and token.i == sentence.start:
        return _thing_before(token, sentence, previous, book)
    gender = pronoun_gender(token)
    if gender is None or word.endswith("self"):
        return None

    beside = _subject_beside(token)
    excluded = {name for name, _, at in current if at == beside} | {author}

    def fits(name: str) -> bool:
        return (
            book.is_person(name)
            and book.genders.get(name, gender) == gender
            and name not in excluded
        )

    later = [n for n, subject, at in current if at > token.i and subject and fits(n)]
    if (
        later
        and token.dep_ == "poss"
        and not any(t.dep_ in _SUBJECTS for t in sentence.doc[sentence.start : token.i])
    ):
        return later[0]  # "In her first week Nell has moved the drums"
    here = [(n, subject) for n, subject, at in current if at < token.i and fits(n)]
    subject = _common_noun_subject(sentence, token.i)
    if subject and _PERSON_NOUN.search(subject.lower_):
        return None  # "the miller was lying on his side"
    if here:
        return _only(here)
    if token.dep_ in {"dobj", "dative", "pobj"} and any(
        subject and at < token.i and not book.is_person(n) for n, subject, at in current
    ):
        return None  # "The Dipper has been sold, and the doctor will use her"
    return _only([p for p in previous if fits(p[0])])


def _subject_beside(token: Token) -> int | None:
    """Find the subject that an object pronoun cannot mean: "Hesper delivered her"."""
    if token.dep_ not in {"dobj", "dative", "iobj"}:
        return None
    verb = token.head
    while verb.dep_ == "conj" and not any(c.dep_ in _SUBJECTS for c in verb.children):
        verb = verb.head
    subject = next((c for c in verb.children if c.dep_ in _SUBJECTS), None)
    if subject is None:
        return None
    first = next((t for t in subject.lefts if t.dep_ == "compound"), subject)
    return first.i


def _thing_before(
    token: Token, sentence: Span, previous: list[tuple[str, bool]], book: NameBook
) -> str | None:
    """Find what `it` means: the only named thing before, unless another thing was the subject."""
    if _is_dummy(token) or sentence.start == 0:
        return None
    things = {n for n, _ in previous if not book.is_person(n)}
    subjects = {n for n, subject in previous if subject}
    if len(things) != 1 or (
        not things & subjects
        and _common_noun_subject(sentence.doc[sentence.start - 1].sent, sentence.start)
    ):
        return None
    return things.pop()


def _common_noun_subject(sentence: Span, before: int) -> Token | None:
    """Find a singular common noun that is the main subject, since a pronoun may mean it."""
    return next(
        (
            t
            for t in sentence
            if t.dep_ in _SUBJECTS and t.tag_ == "NN" and t.head == sentence.root and t.i < before
        ),
        None,
    )


def _only(candidates: list[tuple[str, bool]]) -> str | None:
    names = {name for name, _ in candidates}
    if len(names) == 1:
        return names.pop()
    subjects = {name for name, is_subject in candidates if is_subject}
    return subjects.pop() if len(subjects) == 1 else None


def _is_subject(token: Token) -> bool:
    return token.dep_ in _SUBJECTS


def _is_dummy(token: Token) -> bool:
    """Tell weather-and-time `it` ("it took two days", "it is better that") from a pronoun."""
    if token.lower_ == "its":
        return False
    verb = token.head
    return verb.lemma_ in {"take", "seem", "happen", "rain", "snow"} or any(
        child.dep_ in {"acomp", "ccomp", "csubj", "xcomp"} for child in verb.children
    )


def _in_quotes(token: Token) -> bool:
    return sum(t.text == '"' for t in token.doc[token.sent.start : token.i]) % 2 == 1


def state_alone(
    sentence: Span, names: Sequence[Name], pronouns: Mapping[int, str], book: NameBook
) -> str:
    """Rewrite a sentence so that it stands alone: the first reference to each name in full.

    A later reference keeps the words of the text, and so does a pronoun whose name the sentence
    has already given.
    """
    starts = {n.start: n for n in names if sentence.start <= n.start < sentence.end}
    said: set[str] = set()
    pieces: list[str] = []
    position = sentence.start
    while position < sentence.end:
        token = sentence.doc[position]
        if name := starts.get(position):
            expand = name.canonical not in said and (
                book.is_person(name.canonical) or name.canonical in book.with_article
            )
            text = name.canonical if expand else name.surface
            said.add(name.canonical)
            pieces.append(text + sentence.doc[name.end - 1].whitespace_)
            position = name.end
            continue
        target = pronouns.get(position)
        if target and target not in said:
            said.add(target)
            article = "the " if target in book.with_article else ""
            text = article + target + ("'s" if _is_possessive(token) else "")
            pieces.append(text + token.whitespace_)
        else:
            pieces.append(token.text_with_ws)
        position += 1
    return _agree(" ".join("".join(pieces).split()), sentence, pronouns)


def needs_context(sentence: Span, pronouns: Mapping[int, str]) -> bool:
    """Tell whether the sentence is about something only the sentence before names."""
    return any(
        t.dep_ in _SUBJECTS
        and t.head == sentence.root
        and t.lower_ in {"he", "she", "it", "they", "this", "that", "these", "those"}
        and t.i not in pronouns
        and not (t.lower_ == "it" and _is_dummy(t))
        for t in sentence
    )


def _is_possessive(token: Token) -> bool:
    return token.lower_ in _POSSESSIVE and token.dep_ == "poss"


def _agree(text: str, sentence: Span, pronouns: Mapping[int, str]) -> str:
    """Give the verb after a resolved `I` its third-person form: am to is, have to has."""
    for token in sentence:
        if token.lower_ == "i" and token.i in pronouns and token.dep_ in _SUBJECTS:
            name, verb = pronouns[token.i], token.head
            finite = next(
                (c for c in verb.children if c.dep_ in {"aux", "auxpass"} and c.i > token.i), verb
            )
            form = {"am": "is", "have": "has", "do": "does", "'m": "is", "'ve": "has"}.get(
                finite.lower_
            )
            if form is None and finite.tag_ == "VBP":
                form = finite.text + ("es" if finite.text.endswith(("s", "x", "ch", "sh")) else "s")
            if form and f"{name} {finite.text}" in text:
                text = text.replace(f"{name} {finite.text}", f"{name} {form}", 1)
    return text[0].upper() + text[1:]
