"""A Kedro session whose errors speak to the person at the keyboard, and its context."""

from typing import Any

import click
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import DatasetError
from kedro.runner import ThreadRunner
from kedro.validation import ParameterValidationError
from pydantic import ValidationError

from ragtuned_kedro.language_models.weights import import_transformers
from ragtuned_kedro.pipelines.engines import choose_engines
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.teaching_parameters import EngineParams


class EngineContext(KedroContext):
    """A context that has the pipelines built for the engines its parameters name.

    So that runs, Kedro-Viz and notebooks all see what `engines` says.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = self.config_loader["parameters"].get("engines", {})
        if choose_engines(_engines(named)):
            pipelines.configure(f"{__package__}.pipeline_registry")


def _engines(named: dict[str, str]) -> EngineParams:
    try:
        return EngineParams.model_validate(named)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        told = "; ".join(f"engines.{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in faults)
        raise click.ClickException(told) from error


class PlainSpokenSession(KedroSession):
    """Shows what a user can mend as one message and exit code 1, without a traceback."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run pipelines, in threads if the runner says so.

        Raises:
            click.ClickException: In place of a UserError, wherever in the chain of causes it
                stands, and of parameters that do not fit their blocks.
        """
        if isinstance(kwargs.get("runner"), ThreadRunner):
            import_transformers()
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
