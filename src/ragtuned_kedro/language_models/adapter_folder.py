"""What lies beside an adapter's weights, and how it is read."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ragtuned_kedro.language_models.weights import quiet_transformers
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import AdapterCard

ADAPTER_CARD = "adapter_card.json"
# The folder of the reader's adapter within that of the adapter that remembers.
READER = "reader"


def read_adapter_card(adapter: Path) -> AdapterCard:
    """Read the card of an adapter folder.

    Raises:
        UserError: If the folder is not there or holds no readable card.
    """
    try:
        return AdapterCard.model_validate_json((adapter / ADAPTER_CARD).read_text())
    except FileNotFoundError as error:
        raise UserError(f"there is no adapter in {adapter}; tune one first") from error
    except ValidationError as error:
        raise UserError(f"{adapter / ADAPTER_CARD} is no adapter card: {error}") from error


def merge_adapter(model: Any, adapter: Path) -> Any:
    """Add an adapter to the weights in memory; onto four-bit weights it is laid unmerged."""
    from peft import PeftModel

    with quiet_transformers():
        tuned = PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
        if getattr(model, "is_loaded_in_4bit", False):
            return tuned.eval().get_base_model()
        return tuned.merge_and_unload().eval()
