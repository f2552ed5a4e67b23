"""The loss over training steps."""

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.reporting.palette import TRAINING, VALIDATION

_LINES = {
    "train": {"color": TRAINING, "width": 1.6},
    "validation": {"color": VALIDATION, "width": 2.2},
}


def draw_loss(training_log: pd.DataFrame) -> go.Figure:
    """Draw train and validation loss, in nats per target token, over optimizer steps."""
    figure = go.Figure()
    for split, line in _LINES.items():
        rows = training_log[training_log["split"] == split].sort_values("step")
        if rows.empty:
            continue
        figure.add_trace(
            go.Scatter(
                name=split,
                x=rows["step"].tolist(),
                y=rows["loss"].round(4).tolist(),
                mode="lines+markers" if split == "validation" else "lines",
                line=line,
                customdata=rows["epoch"].round(2).tolist(),
                hovertemplate="step %{x} · epoch %{customdata}<br>loss %{y:.3f}",
            )
        )
    figure.update_layout(
        xaxis={"title": {"text": "optimizer step"}, "zeroline": False},
        yaxis={"title": {"text": "loss"}, "rangemode": "tozero", "zeroline": False},
        legend={"orientation": "h", "x": 0, "y": 1.12},
        margin={"l": 56, "r": 8, "t": 40, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
