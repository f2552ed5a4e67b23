"""What all tables share, as they lie on disk, and the tables that tell how a run went.

Laws for all of them: one row, one fact; ids are content hashes; links are tables, not lists;
offsets are characters, half-open; tokens are those of the base model's tokenizer.
"""

import pandas as pd
import pandera.pandas as pa


class Table(pa.DataFrameModel):
    """What all tables share: exactly these columns, in this order."""

    class Config:
        """Unknown, missing or reordered columns are errors; types are coerced never."""

        strict = True
        ordered = True


def frame_of(table: type[Table], rows: list[dict]) -> pd.DataFrame:
    """Build a frame from `rows`, with the columns, order and types of `table`, and validate it.

    Raises:
        pandera.errors.SchemaError: If a row breaks a rule of the table.
    """
    schema = table.to_schema()
    frame = pd.DataFrame(rows, columns=list(schema.columns))
    frame = frame.astype({name: column.dtype.type for name, column in schema.columns.items()})
    return table.validate(frame)


class Rejections(Table):
    """One row per rejected item: inputs = accepted + rejected at every stage."""

    key: str = pa.Field(description="the item: a file, a row's id or a query's text")
    call_id: str = pa.Field(nullable=True, description="null if refused before a model was asked")
    reason: str
    detail: str


class Ledger(Table):
    """What became of every input of a stage: n of one unit kind that met one outcome."""

    stage: str
    unit_kind: str
    outcome: str = pa.Field(description="`accepted` or the named cause of the loss")
    n: int = pa.Field(ge=0)


class StageRows(Table):
    """How many rows a dataset holds, in the order in which data walks through the stages."""

    stage: str = pa.Field(description="the pipeline that makes the dataset")
    dataset: str = pa.Field(unique=True)
    n_rows: int = pa.Field(ge=0)


class TrainingLog(Table):
    """One row per logged optimizer step or validation pass."""

    step: int = pa.Field(ge=0)
    epoch: float = pa.Field(ge=0)
    split: str = pa.Field(isin=["train", "validation"])
    loss: float
    learning_rate: float
    grad_norm: float = pa.Field(nullable=True)
    target_tokens_seen: int = pa.Field(ge=0)
    seconds: float = pa.Field(ge=0)
    peak_memory_bytes: int = pa.Field(ge=0)
