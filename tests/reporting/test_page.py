import re
from html.parser import HTMLParser
from io import StringIO

import pandas as pd
import pytest
from rich.console import Console

from ragtuned_kedro.evaluation.scorecard import QUERY_SET
from ragtuned_kedro.evaluation.scorecard_plot import plot_scorecard
from ragtuned_kedro.evaluation.verdicts import ASSERTION_RECALL
from ragtuned_kedro.reporting.closing_table import closing_table
from ragtuned_kedro.reporting.cost_plots import draw_quality_against_cost, draw_total_cost
from ragtuned_kedro.reporting.examples import Lessons, choose_examples
from ragtuned_kedro.reporting.graph_picture import draw_graph
from ragtuned_kedro.reporting.homes import colours_at, homes_at, levels_of
from ragtuned_kedro.reporting.loss_plot import draw_loss
from ragtuned_kedro.reporting.page import Pictures, ReportTables, render_page
from ragtuned_kedro.reporting.palette import COMMUNITY_COLOURS
from ragtuned_kedro.reporting.score_rows import duration
from ragtuned_kedro.reporting.stages import count_rows, ledger_lines, rejection_ledger, stage_lines
from ragtuned_kedro.reporting.win_matrix import draw_win_matrix
from ragtuned_kedro.schemas.call_tables import Disclosures, Spendings
from ragtuned_kedro.schemas.community_tables import Communities, CommunityMembers, CommunityReports
from ragtuned_kedro.schemas.evaluation_tables import Metrics
from ragtuned_kedro.schemas.graph_tables import Entities, Relationships
from ragtuned_kedro.schemas.synthesis_tables import GroundingCalibration
from ragtuned_kedro.schemas.tables import Ledger, Rejections, frame_of
from tests.reporting.run_tables import RunTables, run_tables

HOSTILE = "</script><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>"
SYSTEMS = {"candidate": "rag_tuned", "baseline": "base_model"}
SECONDS = {"prepare_corpus": {"read": 1.5}, "tune_adapter": {"tune": 700.0}}


def _judge_row(metric: str, system: str, criterion: str | None, value: float, **named) -> dict:
    return {
        "metric": metric,
        "system": system,
        "baseline": None,
        "query_set": QUERY_SET,
        "scope": None,
        "criterion": criterion,
        "value": value,
        "ci_low": 0.0,
        "ci_high": 1.0,
        "p_holm": None,
        "n": 12,
        "n_missing": 3,
        "method": "wilson",
        "higher_is_better": False,
    } | named


# What a judge with a hostile name said of one pair, and how it fared on its checks.
JUDGED = frame_of(
    Metrics,
    [
        *(
            _judge_row("win_rate", "rag_tuned", criterion, 0.71, p_holm=0.01, scope="answerable")
            | {"baseline": "vanilla_rag"}
            for criterion in ("usefulness", "richness", "insight", "user_friendliness")
        ),
        _judge_row("judge_error", HOSTILE, "padded", 0.92),
        _judge_row("seat_disagreement", HOSTILE, None, 0.46),
    ],
)


# What a teacher with a hostile name was asked and sent, at an address on another machine.
AWAY = "https://models.example/v1"
SPENT = frame_of(
    Spendings,
    [
        {
            "stage": stage,
            "n_calls": 41,
            "n_unusable": 2,
            "n_prompt_tokens": 31_415,
            "n_completion_tokens": 2_718,
            "money": 0.0123,
            "currency": HOSTILE,
        }
        | dict.fromkeys(("calls_low", "prompt_tokens_low", "completion_tokens_low"), low)
        | dict.fromkeys(("calls_high", "prompt_tokens_high", "completion_tokens_high"), low)
        | {"money_low": low, "money_high": low}
        for stage, low in (("build_graph.extract", 17.0), ("judge_answers", None))
    ],
)
TOLD = frame_of(
    Disclosures,
    [
        {
            "doc_id": f"doc-{place}",
            "source_uri": f"{place:03d} {HOSTILE}",
            "endpoint": AWAY,
            "model_id": HOSTILE,
            "stage": stage,
            "n_calls": n_calls,
            "n_possible_calls": 3,
            "is_loopback": False,
        }
        for place in range(502)
        for stage, n_calls in (("build_graph.extract", 1), ("judge_answers", int(place < 5)))
    ],
)
GATE = frame_of(
    GroundingCalibration,
    [
        {"metric": metric, "value": value, "n": 30, "n_without_verdict": 1, "meaning": HOSTILE}
        for metric, value in (("precision", 0.87), ("recall", None))
    ],
)
ASKED = (SPENT, TOLD, GATE)
NOBODY = tuple(one.head(0) for one in ASKED)


class _Elements(HTMLParser):
    """Lists the elements of a page with their attributes; script contents are no elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def run() -> RunTables:
    """Tables of a small run, in which a document has a hostile title."""
    return run_tables(title=HOSTILE)


def _examples(run: RunTables) -> list[dict]:
    lessons = Lessons(
        run.training_queries, run.qa_pairs, run.qa_evidence, run.sentences, run.documents
    )
    return choose_examples(
        run.questions.queries,
        run.questions.assertions,
        run.questions.evidence,
        run.answers,
        run.scores,
        lessons,
        n_right=4,
        n_wrong=4,
        **SYSTEMS,
    )


def _graph(run: RunTables, *, max_entities: int = 60):
    return draw_graph(
        run.entities,
        run.relationships,
        run.communities,
        run.community_members,
        run.community_reports,
        max_entities=max_entities,
        n_labels=12,
        seed=1,
    )


def _page(
    run: RunTables,
    *,
    metrics: pd.DataFrame | None = None,
    examples=None,
    judged=None,
    asked: tuple[pd.DataFrame, ...] = ASKED,
) -> str:
    comparison = run.comparison if metrics is None else metrics
    costs = run.running_costs if metrics is None else run.running_costs.head(0)
    metrics = run.metrics if metrics is None else metrics
    return render_page(
        ReportTables(
            metrics,
            comparison,
            costs,
            JUDGED if judged is None else judged,
            count_rows({"documents": run.documents, "qa_pairs": run.qa_pairs}),
            run.ledger,
            run.communities,
            run.community_reports,
            run.report_findings,
            *asked,
        ),
        Pictures(
            plot_scorecard(metrics, **SYSTEMS),
            draw_win_matrix(comparison, criterion=ASSERTION_RECALL, query_set=QUERY_SET),
            draw_quality_against_cost(comparison, candidate="rag_tuned", query_set=QUERY_SET),
            draw_total_cost(costs, candidate="rag_tuned"),
            _graph(run),
            draw_loss(run.training_log),
        ),
        title=f"Vellisk {HOSTILE}",
        stage_seconds=SECONDS,
        examples=_examples(run) if examples is None else examples,
        settings={"lora": {"lora_rank": 16}, "hostile": HOSTILE},
        adapter_card={"base_model_id": HOSTILE},
        registration={"version": "1", "aliases": ["challenger"], "decision": HOSTILE},
        max_reports=5,
        **SYSTEMS,
    )


@pytest.fixture(scope="module")
def page(run: RunTables) -> str:
    """The rendered report of the hostile run."""
    return _page(run)


def test_opening_the_page_loads_nothing(page: str) -> None:
    addresses = [
        value
        for _, attributes in _Elements(page).found
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "data", "action", "poster", "background"}
    ]
    assert all(value is not None and value.startswith("#") for value in addresses)
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src &#39;none&#39;" in page


def test_a_documents_title_is_data_and_never_markup(page: str) -> None:
    elements = _Elements(page).found
    assert not [tag for tag, _ in elements if tag in {"img", "iframe", "object", "link"}]
    assert "<script>alert" not in page
    # Six pictures as data, plotly and the page's own script: nothing else runs or parses.
    assert len([tag for tag, _ in elements if tag == "script"]) == 8
    assert "alert(&#39;x&#39;)" in page


def test_the_page_shows_recall_before_and_after(run: RunTables, page: str) -> None:
    metrics = run.metrics[(run.metrics["metric"] == "recall") & run.metrics["criterion"].isna()]
    for row in metrics.to_dict("records"):
        assert f"{100 * row['value']:.0f} %" in page


def test_the_same_tables_give_the_same_page(run: RunTables, page: str) -> None:
    assert _page(run) == page


def test_a_run_without_questions_still_gives_a_page(run: RunTables) -> None:
    page = _page(run, metrics=frame_of(Metrics, []), examples=[])
    assert "No evaluation questions were asked" in page


def test_every_example_shows_training_rows_from_the_documents_it_names(run: RunTables) -> None:
    examples = _examples(run)
    assert [one["is_right"] for one in examples] == [True] * 4 + [False] * 4
    assert {one["scope"] for one in examples} == {"local", "linked", "global", "unanswerable"}
    for one in examples:
        found = [row for row in one["training_rows"] for row in row["evidence"]]
        if one["documents"] and found:
            assert {row["document"] for row in found} <= set(one["documents"])


def test_the_picture_shows_one_level_and_never_more_entities_than_asked(run: RunTables) -> None:
    picture = _graph(run, max_entities=10)
    places = picture.layout.meta["level_traces"]
    assert [picture.data[place].visible for place in places.values()].count(True) == 1
    assert all(len(picture.data[place].x) == 10 for place in places.values())
    assert picture.layout.meta["n_hidden"] == len(run.entities) - 10
    assert picture == _graph(run, max_entities=10)


def test_neighbouring_communities_differ_in_colour_and_every_entity_has_a_home(
    run: RunTables,
) -> None:
    for level in levels_of(run.communities):
        colours = colours_at(run.communities, level=level)
        assert len(set(colours.values())) == min(len(colours), len(COMMUNITY_COLOURS))
        homes = homes_at(run.community_members, level=level)
        assert set(homes) == set(run.entities["entity_id"])
        assert set(homes.values()) == set(colours)


def test_plotly_sees_no_markup_from_documents(run: RunTables) -> None:
    entities = run.entities.assign(description=HOSTILE, type="<b>x</b>")
    picture = draw_graph(
        entities,
        run.relationships,
        run.communities,
        run.community_members,
        run.community_reports.assign(title=HOSTILE),
        max_entities=5,
        n_labels=5,
        seed=1,
    )
    place = next(iter(picture.layout.meta["level_traces"].values()))
    tags = set(re.findall(r"<(/?\w+)", "".join(picture.data[place].hovertext)))
    assert tags <= {"b", "/b", "i", "/i", "br"}


def test_a_graph_without_entities_or_communities_is_an_empty_picture() -> None:
    picture = draw_graph(
        frame_of(Entities, []),
        frame_of(Relationships, []),
        frame_of(Communities, []),
        frame_of(CommunityMembers, []),
        frame_of(CommunityReports, []),
        max_entities=5,
        n_labels=5,
        seed=1,
    )
    assert all(not trace.x for trace in picture.data)


def test_inputs_are_accepted_plus_losses() -> None:
    rejections = frame_of(
        Rejections,
        [
            {"key": str(place), "call_id": None, "reason": reason, "detail": ""}
            for place, reason in enumerate(["duplicate", "not_json", "duplicate"])
        ],
    )
    ledger = rejection_ledger(rejections, stage="ask", unit_kind="question", n_accepted=7)
    (line,) = ledger_lines(frame_of(Ledger, ledger.to_dict("records")))
    assert line.n_inputs == line.n_accepted + sum(n for _, n in line.losses) == 10
    assert line.losses == (("duplicate", 2), ("not_json", 1))


def test_stages_keep_the_order_of_the_walk_and_lose_no_seconds() -> None:
    rows = count_rows({"qa_pairs": [1, 2], "documents": [1]})
    lines = stage_lines(rows, {"tune_adapter": {"a": 1.0, "b": 2.0}, "mine": {"c": 4.0}})
    names = ["prepare_corpus", "synthesize_qa", "tune_adapter", "mine"]
    assert [line.stage for line in lines] == names
    assert sum(line.seconds or 0 for line in lines) == 7


def _closing_text(run: RunTables, *, width: int) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(
        closing_table(
            run.metrics,
            run.comparison,
            run.running_costs,
            JUDGED,
            count_rows({"documents": run.documents}),
            SECONDS,
            whereabouts={"report": "/tmp/[bold]report.html", "MLflow run": None},  # noqa: S108
            **SYSTEMS,
        )
    )
    return console.export_text()


def test_the_closing_table_names_results_and_places(run: RunTables) -> None:
    text = _closing_text(run, width=120)
    assert "Recall, local" in text
    assert "/tmp/[bold]report.html" in text  # noqa: S108
    assert "MLflow run" not in text
    assert "11 min 42 s" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_every_system_has_a_row_of_quality_and_one_of_cost_at_any_width(
    run: RunTables, width: int
) -> None:
    text = _closing_text(run, width=width)
    assert "\u2026" not in text
    assert text.count("\nvanilla rag ") == 2
    assert re.search(r"\nvanilla rag .* 30 s +after [\d,]+", text)
    assert re.search(r"\nbase model .* never", text)


@pytest.mark.parametrize("width", [80, 120])
def test_an_interval_is_never_broken_and_stands_beside_its_number_where_there_is_room(
    run: RunTables, width: int
) -> None:
    text = _closing_text(run, width=width)
    assert text.count("[") - text.count("[bold]") == len(re.findall(r"\[.?\d+, .?\d+\]", text))
    qualities = text.split("Every system")[1].split("What an answer costs")[0]
    beside = re.findall(r"\d+[* ] \[", qualities)
    assert bool(beside) == (width == 120)


def test_the_judges_errors_stand_beside_its_verdicts(run: RunTables, page: str) -> None:
    for shown in (page, _closing_text(run, width=100)):
        verdict, error = shown.index("71"), shown.index("a padded answer won")
        assert verdict < error
        assert "92" in shown[error : error + 200]
    assert "no verdict" in page
    bare = _page(run, judged=frame_of(Metrics, []))
    assert "What a judge says" not in bare


def _section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def test_where_nobody_was_asked_one_sentence_says_that_nothing_left_the_machine(
    run: RunTables,
) -> None:
    told = _section(_page(run, asked=NOBODY), "asked")
    assert "Nothing left this machine" in told
    assert "<table>" not in told


def test_what_was_spent_stands_beside_what_was_estimated(page: str) -> None:
    spent = _section(page, "asked").split("<h3>What they cost</h3>")[1].split("</table>")[0]
    first, unforeseen, total = spent.split('<th scope="row">')[1:]
    for shown in ("41", "31,415", "2,718", "0.0123", "17 to 17", "17.00 to 17.00"):
        assert shown in first
    # No estimate of one stage is no estimate of the sum.
    assert "interval" in first
    assert "interval" not in unforeseen + total
    assert "62,830" in total


def test_documents_that_were_sent_are_counted_by_model_and_stage_and_named(page: str) -> None:
    told = _section(page, "asked").split("<h3>Whose text they were sent</h3>")[1]
    read, judged = told.split("</table>")[0].split('<th scope="row">')[1:]
    assert AWAY in read
    assert "another machine" in read
    assert "502 shown" in read
    assert "perhaps" not in read
    assert read.count("<li>") == 500
    assert "and 2 more" in read
    assert "5 shown" in judged
    assert "497 perhaps repeated" in judged
    assert "Text of 502 documents" in _section(page, "asked")


def test_a_teacher_on_this_machine_is_said_to_be_here(run: RunTables) -> None:
    here = TOLD.assign(endpoint="http://127.0.0.1:8080/v1", is_loopback=True)
    told = _section(_page(run, asked=(SPENT, here, GATE)), "asked")
    assert "Only this machine was asked" in told
    assert "another machine<" not in told


def test_the_gates_own_errors_are_shown(page: str) -> None:
    gate = _section(page, "asked").split("grounding gate can be trusted</h3>")[1]
    precision, recall = gate.split('<th scope="row">')[1:]
    assert "87 %" in precision
    assert 'class="none"' in recall


def test_every_system_has_a_row_in_each_table_of_the_page(page: str) -> None:
    systems = page.split('<section id="systems">')[1].split("</section>")[0]
    # Quality, the judge's verdicts, cost, closeness.
    assert systems.count('<th scope="row">vanilla rag') == 4
    assert systems.count('<tr class="ours">') == 3
    assert 'data-view="local"' in systems


def test_the_matrix_shows_one_scope_and_what_one_wins_the_other_loses(run: RunTables) -> None:
    figure = draw_win_matrix(run.comparison, criterion=ASSERTION_RECALL, query_set=QUERY_SET)
    assert [trace.visible for trace in figure.data].count(True) == 1
    assert set(figure.layout.meta["views"]) == set(run.questions.queries["scope"]) | {"answerable"}
    for trace in figure.data:
        for one, line in enumerate(trace.z):
            for other, value in enumerate(line):
                assert (value is None) == (one == other)
                assert value is None or value + trace.z[other][one] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.4, "12 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_read_naturally(seconds: float, text: str) -> None:
    assert duration(seconds) == text
