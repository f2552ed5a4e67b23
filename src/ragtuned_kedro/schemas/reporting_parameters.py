"""Parameters of the HTML report."""

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block


class ReportingParams(Block):
    """What the HTML report shows."""

    title: str = Field(min_length=1)
    n_examples_right: int = Field(ge=0)
    n_examples_wrong: int = Field(ge=0)
    max_reports: int = Field(
        ge=0, description="community reports shown per level, best rated first"
    )
    graph_max_entities: int = Field(ge=1, description="entities drawn, best connected first")
    graph_n_labels: int = Field(ge=0)
    graph_seed: int = Field(ge=0)
