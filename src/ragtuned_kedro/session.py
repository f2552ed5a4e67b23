"""A Kedro session whose errors speak to the person at the keyboard."""

from typing import Any

import click
from kedro.framework.session import KedroSession
from kedro.io import DatasetError
from kedro.validation import ParameterValidationError

from ragtuned_kedro.schemas.errors import UserError


class PlainSpokenSession(KedroSession):
    """Shows what a user can mend as one message and exit code 1, without a traceback."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run pipelines.

        Raises:
            click.ClickException: In place of a UserError, wherever in the chain of causes it
                stands, and of parameters that do not fit their blocks.
        """
        try:
            return super().run(*args, **kwargs)
        except (UserError, ParameterValidationError, DatasetError) as error:
            plain = _plain(error)
            if plain is None:
                raise
            raise click.ClickException(str(plain)) from error


def _plain(error: BaseException | None) -> BaseException | None:
    while error is not None:
        if isinstance(error, UserError | ParameterValidationError):
            return error
        error = error.__cause__ or error.__context__
    return None
