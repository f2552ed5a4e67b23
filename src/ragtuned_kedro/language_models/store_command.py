"""The completion store from the command line.

python -m ragtuned_kedro.language_models.store_command FILE list
python -m ragtuned_kedro.language_models.store_command FILE export > calls.jsonl
python -m ragtuned_kedro.language_models.store_command FILE prune --outcome invalid
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.store_upkeep import count_unread, export, prune, summarise
from ragtuned_kedro.schemas.errors import UserError

_OUTCOMES = ("valid", "invalid", "length", "refused")
_COLUMNS = ("stage", "model_id", "endpoint", "outcome", "n_calls", "n_prompt_tokens")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 with a message about what to mend."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    is_prune = asked.command == "prune"
    if is_prune and not any((asked.stage, asked.model, asked.outcome, asked.before, asked.all)):
        parser.error("prune needs a filter, or --all to delete every call")
    if not asked.file.exists():
        sys.stderr.write(f"there is no completion store at {asked.file}\n")
        return 1
    store = CompletionStore(asked.file)
    try:
        if asked.command == "list":
            columns = (*_COLUMNS, "n_completion_tokens", "last_kept_at")
            lines = [columns, *(tuple(str(row[c]) for c in columns) for row in summarise(store))]
            sys.stdout.writelines("\t".join(line) + "\n" for line in lines)
            if n_unread := count_unread(store):
                sys.stdout.write(f"{n_unread} more answers wait for the next run to read them\n")
        elif asked.command == "export":
            for row in export(store):
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            n = prune(
                store,
                stage=asked.stage,
                model_id=asked.model,
                outcome=asked.outcome,
                before=asked.before,
            )
            sys.stdout.write(f"{n} calls deleted; they will be asked, and paid for, again\n")
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="List, export or prune a completion store.")
    parser.add_argument("file", type=Path, help="completions.sqlite of a data root")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="calls and tokens by stage, model and outcome")
    commands.add_parser("export", help="every call as a line of JSON")
    pruning = commands.add_parser("prune", help="delete calls that fit all filters")
    pruning.add_argument("--stage")
    pruning.add_argument("--model")
    pruning.add_argument("--outcome", choices=_OUTCOMES)
    pruning.add_argument("--before", help="UTC date or time, ISO format")
    pruning.add_argument("--all", action="store_true", help="needed where no filter is given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
