"""Constituents: how one is spelled from its tokens, and whom it means."""

import re
from collections.abc import Callable, Iterable, Mapping

from spacy.tokens import Token

# Under this key a document's user_data maps token positions to the names to spell instead.
NAMES = "names"
_DETACHED = frozenset({"relcl", "appos", "advcl"})
_PERSON_NOUN = re.compile(
    r"(man|woman|men|women|girl|boy|child|children|sister|brother|mother|father|daughter|son|wife|"
    r"husband|widow|aunt|uncle|nephew|niece|grandmother|grandfather|doctor|nurse|clerk|chairman|"
    r"apprentice|captain|people|person|members?|pupils?|teacher|\w{3,}(ist|ess|keeper|master|smith|"
    r"monger))$"
)

PersonTest = Callable[[Token], bool]


def tidy(text: str) -> str:
    """Close up punctuation and blanks, and drop marks at either end."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,.;:!?')])", r"\1", text)
    text = re.sub(r",(\s*,)+", ",", text)
    return text.strip(" ,;:.-")


def phrase(root: Token, *, detached: bool = False, drop: Iterable[Token] = ()) -> str:
    """Spell a constituent; clauses and appositions that hang on it only if `detached`."""
    dropped = {t.i for token in drop for t in token.subtree}
    for token in root.subtree:
        if not detached and token is not root and token.dep_ in _DETACHED:
            dropped.update(t.i for t in token.subtree)
    kept = [t for t in root.subtree if t.i not in dropped]
    while kept and (kept[-1].is_punct or kept[-1].dep_ == "cc"):
        kept.pop()
    return tidy("".join(_spell(t) for t in kept))


def _spell(token: Token) -> str:
    names: Mapping[int, str] = token.doc.user_data.get(NAMES, {})
    if token.i in names:
        return names[token.i] + token.whitespace_
    # A reader is not one of the writer's people: "our minister" is asked about as "the minister".
    text = {"our": "the", "us": "them", "we": "they"}.get(token.lower_, token.text)
    if token.is_sent_start and token.pos_ not in {"PROPN", "NUM"} and token.lower_ != "i":
        text = text.lower()
    return text + (token.whitespace_ or (" " if token.text in {",", ";", ":"} else ""))


def is_person(root: Token, types: Mapping[str, str]) -> bool:
    """Tell whether a noun phrase means one person or several."""
    named = _named(root, types)
    if named is not None:
        return named == "PERSON"
    return root.lower_ in {"he", "she", "who", "they", "we", "nobody", "somebody"} or bool(
        _PERSON_NOUN.search(root.lower_)
    )


def _named(root: Token, types: Mapping[str, str]) -> str | None:
    name = root.doc.user_data.get(NAMES, {}).get(root.i, "").removesuffix("'s")
    if name in types:
        return types[name]
    words = [t.text for t in root.lefts if t.dep_ == "compound"] + [root.text]
    for start in range(len(words)):
        kind = types.get(" ".join(words[start:]))
        if kind:
            return kind
    return None


def referent(root: Token) -> Token:
    """Step from a description to the name it stands beside: "his sister, Keziah" to "Keziah"."""
    if root.dep_ == "appos" and root.head.pos_ == "PROPN":
        return root.head
    if root.pos_ != "PROPN":
        for child in root.children:
            if child.dep_ == "appos" and child.pos_ == "PROPN":
                return child
    return root
