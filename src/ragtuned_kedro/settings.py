"""Project settings: see https://docs.kedro.org/en/stable/configure/."""

import os
import warnings
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf.resolvers import oc

from ragtuned_kedro.hooks import ClosingTable, FreedMemory, StageSeconds, TypedParameters
from ragtuned_kedro.session import EngineContext, PlainSpokenSession

# omegaconf 2.4 deprecated a call that kedro and kedro-mlflow still make, once per command each.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
# Each system is a namespace, so its answers are `<system>.answers` everywhere.
warnings.filterwarnings("ignore", message=r"One or more dataset names contain '\.'")
# A hint on `predict` would make MLflow drop the parameters of a call.
warnings.filterwarnings("ignore", message=r".*Add type hints to the `predict`")

# Nothing leaves the machine, so no usage statistics either.
os.environ["KEDRO_DISABLE_TELEMETRY"] = "1"
# Else MLflow imports IPython, for a second, to look for a job of Databricks to go on with.
os.environ.setdefault("MLFLOW_ENABLE_SGC_RUN_RESUMPTION_FOR_DATABRICKS_JOBS", "false")
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)


def _validator(table: str) -> dict[str, Any]:
    """Have a dataset checked against a table of `schemas`, `<module>.<class>`, by Kedro.

    What a run has checked as it saved it is not checked again whenever a later node loads it.
    """
    return {"class": f"{__package__}.schemas.{table}", "skip_load_after_save": True}


HOOKS = (FreedMemory(), TypedParameters(), StageSeconds(), ClosingTable())
SESSION_CLASS = PlainSpokenSession
CONTEXT_CLASS = EngineContext
CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {
        "oc.env": oc.env,
        "project_dir": lambda: str(find_kedro_project(Path.cwd()) or Path.cwd()),
        "table": _validator,
    },
}
