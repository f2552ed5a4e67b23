"""What lies in a completion store: listed, exported, deleted."""

from collections.abc import Iterator
from typing import Any

from ragtuned_kedro.language_models.call_file import FIELDS, CallFile


def summarise(store: CallFile) -> list[dict[str, Any]]:
    """Count calls, tokens and seconds by stage, model, endpoint and outcome."""
    names = ["stage", "model_id", "endpoint", "outcome"]
    sums = ["n_prompt_tokens", "n_completion_tokens", "seconds"]
    summed = ", ".join(f"sum({name})" for name in sums)
    query = (
        f"SELECT {', '.join(names)}, count(*), {summed}, min(kept_at), max(kept_at) "  # noqa: S608
        f"FROM calls GROUP BY {', '.join(names)} ORDER BY {', '.join(names)}"
    )
    columns = [*names, "n_calls", *sums, "first_kept_at", "last_kept_at"]
    return [dict(zip(columns, row, strict=True)) for row in store.rows(query)]


def count_unread(store: CallFile) -> int:
    """Count the answers that came when their run had ended, and that no run has read since."""
    return int(store.rows("SELECT count(*) FROM arrivals")[0][0])


def export(store: CallFile) -> Iterator[dict[str, Any]]:
    """Yield every call, by request and attempt."""
    columns = [*FIELDS, "kept_at"]
    query = f"SELECT {', '.join(columns)} FROM calls ORDER BY request_sha, attempt"  # noqa: S608
    with store.reading() as connection:
        for row in connection.execute(query):
            yield dict(zip(columns, row, strict=True))


def prune(
    store: CallFile,
    *,
    stage: str | None = None,
    model_id: str | None = None,
    outcome: str | None = None,
    before: str | None = None,
) -> int:
    """Delete the calls that fit all the given filters; return how many.

    `before` is a UTC date or time in ISO format. What is deleted will be asked again. Without a
    filter answers that no run has read are deleted, too.
    """
    wanted = {"stage = ?": stage, "model_id = ?": model_id, "outcome = ?": outcome}
    wanted["kept_at < ?"] = before
    given = {clause: value for clause, value in wanted.items() if value is not None}
    where = " AND ".join(given) or "1"
    with store.writing() as connection:
        if not given:
            connection.execute("DELETE FROM arrivals")
        cursor = connection.execute(
            f"DELETE FROM calls WHERE {where}",  # noqa: S608
            list(given.values()),
        )
        return cursor.rowcount
