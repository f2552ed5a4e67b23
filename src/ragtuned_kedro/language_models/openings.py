"""How the answers begin that an adapter was taught, and a search that finds no other beginnings.

A free search over the first tokens also finds beginnings that are mixtures of two passages ("The
new miller is Gideon Sarnby"), which the model continues almost as confidently. A beam that
follows a prefix tree finds only what was taught: GENRE (De Cao et al., arXiv 2010.00904) names
entities that way. The tree holds first tokens and nothing of what follows them: what is said comes
out of the weights.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ragtuned_kedro.schemas.errors import UserError

OPENINGS_FILE = "openings.json"


class OpeningTree:
    """The prefix tree of some openings, which are rows of token ids.

    An answer that is shorter than the others ends with its end token.
    """

    def __init__(self, openings: Iterable[Sequence[int]]) -> None:
        next_after: dict[tuple[int, ...], set[int]] = {}
        for opening in openings:
            ids = tuple(opening)
            for at, token in enumerate(ids):
                next_after.setdefault(ids[:at], set()).add(token)
        self._next_after = {ids: sorted(tokens) for ids, tokens in next_after.items()}

    def next_after(self, ids: Sequence[int]) -> Sequence[int] | None:
        """List the tokens that may follow `ids`, in order; None where the tree has no more to say.

        That is behind the end of every opening, and everywhere in a tree of none.
        """
        return self._next_after.get(tuple(ids))


def write_openings(openings: Iterable[Sequence[int]], adapter: Path) -> None:
    """Write openings into an adapter's folder, each once and sorted: same openings, same bytes."""
    distinct = sorted({tuple(opening) for opening in openings})
    rows = ",\n".join(json.dumps(opening) for opening in distinct)
    (adapter / OPENINGS_FILE).write_text(f"[\n{rows}\n]\n")


def read_openings(adapter: Path) -> OpeningTree:
    """Read the openings of an adapter's folder.

    Raises:
        UserError: If there are none, or what is there are no rows of token ids.
    """
    file = adapter / OPENINGS_FILE
    try:
        rows = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {file}: an earlier version tuned the adapter; tune again, or set "
            "rag_tuned.keeps_to_taught_openings to false"
        ) from error
    except ValueError as error:
        raise UserError(f"{file} is no list of openings: {error}") from error
    if not (
        isinstance(rows, list)
        and all(isinstance(row, list) and all(type(one) is int for one in row) for row in rows)
    ):
        raise UserError(f"{file} is no list of openings: it must hold rows of token ids")
    return OpeningTree(rows)
