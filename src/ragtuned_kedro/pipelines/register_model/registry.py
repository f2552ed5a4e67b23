"""The conversation with MLflow's model registry."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient

from ragtuned_kedro.evaluation.promotion import Decision, decide_promotion
from ragtuned_kedro.schemas.records import AdapterCard

CHALLENGER = "challenger"
CHAMPION = "champion"
# Tags of a model version; the first two say whether an adapter is registered already.
_ADAPTER_TAG = "adapter_id"
_REVISION_TAG = "base_model_revision"
_RECALL_TAG = "local_recall"
_QUESTIONS_TAG = "questions_sha"

# What the registered model imports when it answers.
_REQUIRED = ("mlflow", "pandas", "peft", "pydantic", "safetensors", "torch", "transformers")
_OWN_PACKAGE = "ragtuned-kedro"


@dataclass(frozen=True)
class Scored:
    """How the adapter fared; recalls are null where no local question was asked."""

    tuned_recall: float | None
    base_recall: float | None
    questions_sha: str


def register_adapter(
    *,
    model_name: str,
    adapter_folder: Path,
    card: AdapterCard,
    model_config: dict[str, Any],
    scored: Scored,
    min_gain: float,
) -> dict[str, Any]:
    """Register an adapter, or find it again, and set the aliases.

    An adapter of the same id on the same base revision is registered once. `challenger` always
    points to this adapter; `champion` moves to it only if its local recall wins.
    """
    client = MlflowClient()
    found = _find_version(client, model_name, card)
    registered = found or _register(model_name, adapter_folder, card, model_config)
    number = str(registered.version)
    _tag_scores(client, model_name, number, scored)
    champion = _champion(client, model_name)
    if champion is not None and str(champion.version) == number:
        decision = Decision(False, f"Version {number} is the champion already.")
    else:
        decision = _decide(champion, scored, min_gain=min_gain)
    client.set_registered_model_alias(model_name, CHALLENGER, number)
    if decision.promote:
        client.set_registered_model_alias(model_name, CHAMPION, number)
    aliases = sorted(client.get_model_version(model_name, number).aliases)
    run = mlflow.active_run()
    return {
        "model_name": model_name,
        "version": number,
        "aliases": aliases,
        "model_uri": f"models:/{model_name}@{CHAMPION if CHAMPION in aliases else CHALLENGER}",
        "is_new_version": found is None,
        "is_promoted": decision.promote,
        "decision": decision.reason,
        "adapter_id": card.adapter_id,
        "run_id": run.info.run_id if run else registered.run_id,
        "registered_by_run_id": registered.run_id,
        "tracking_uri": _without_password(mlflow.get_tracking_uri()),
    }


def _find_version(client: MlflowClient, model_name: str, card: AdapterCard) -> ModelVersion | None:
    wanted = (card.adapter_id, card.base_model_revision)
    matching = [
        one
        for one in client.search_model_versions(f"name = '{model_name}'")
        if (one.tags.get(_ADAPTER_TAG), one.tags.get(_REVISION_TAG)) == wanted
    ]
    return max(matching, key=lambda one: int(one.version), default=None)


def _register(
    model_name: str, adapter_folder: Path, card: AdapterCard, model_config: dict[str, Any]
) -> ModelVersion:
    limits = {"max_new_tokens": model_config["max_new_tokens"]}
    info = mlflow.pyfunc.log_model(
        name="adapter",
        python_model=str(Path(__file__).with_name("adapter_model.py")),
        artifacts={"adapter": str(adapter_folder)},
        model_config=model_config,
        signature=infer_signature(["What is asked?"], ["What is answered."], params=limits),
        pip_requirements=_pinned(),
        metadata={
            "base_model": card.base_model_id,
            "base_model_revision": card.base_model_revision,
        },
    )
    # Tags go in with the registration: set afterwards, a killed run would leave a version that
    # no later run recognises.
    tags = {_ADAPTER_TAG: card.adapter_id, _REVISION_TAG: card.base_model_revision}
    return mlflow.register_model(info.model_uri, model_name, tags=tags)


def _pinned() -> list[str]:
    # "+cpu" names a build that the package index does not serve.
    pins = [f"{name}=={version(name).split('+')[0]}" for name in _REQUIRED]
    try:
        return [*pins, f"{_OWN_PACKAGE}=={version(_OWN_PACKAGE)}"]
    except PackageNotFoundError:
        # Run from a checkout: whoever loads the model has to have the same checkout.
        return pins


def _tag_scores(client: MlflowClient, model_name: str, number: str, scored: Scored) -> None:
    if scored.tuned_recall is not None:
        client.set_model_version_tag(model_name, number, _RECALL_TAG, f"{scored.tuned_recall:.6f}")
        client.set_model_version_tag(model_name, number, _QUESTIONS_TAG, scored.questions_sha)


def _champion(client: MlflowClient, model_name: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(model_name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _decide(champion: ModelVersion | None, scored: Scored, *, min_gain: float) -> Decision:
    recall: float | None = None
    if champion is not None:
        tag = champion.tags.get(_RECALL_TAG)
        same_questions = champion.tags.get(_QUESTIONS_TAG) == scored.questions_sha
        if tag is None or (not same_questions and scored.tuned_recall is not None):
            return Decision(
                False,
                f"The champion (version {champion.version}) was scored on other questions, so the "
                "two cannot be compared; remove its alias to let the next run decide anew.",
            )
        recall = float(tag)
    return decide_promotion(
        scored.tuned_recall, champion=recall, base=scored.base_recall, min_gain=min_gain
    )


def _without_password(uri: str) -> str:
    """Drop the user and password from a tracking address; it is shown in the report."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]))
