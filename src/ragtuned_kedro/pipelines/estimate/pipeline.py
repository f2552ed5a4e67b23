from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines import ask_questions, fetch_model, prepare_corpus
from ragtuned_kedro.pipelines.engines import EMBEDDED, chosen_engines

from .nodes import estimate

NODE = "estimate_calls"
_INPUTS = (
    "chunks",
    "documents",
    "evaluation_queries",
    "assertions",
    "query_evidence",
    "base_model_folder",
    "embedder_folder",
    "judge",
    "graph_prompts",
    "report_prompts",
    "synthesis_prompts",
    "evaluation_prompts",
)
_PARAMETERS = (
    "extraction",
    "reports",
    "answering",
    "generation",
    "teaching",
    "teacher_questions",
    "estimate",
    "engines",
    "judging",
    "compared_questions",
)


def create_pipeline(**_: object) -> Pipeline:
    """Corpus and questions to estimate: both are read for it, and no more is done."""
    # Without a stage for the teacher its endpoint is not even read.
    teacher = {} if chosen_engines() == EMBEDDED else {"teacher": "teacher"}
    inputs = {name: name for name in _INPUTS} | {name: f"params:{name}" for name in _PARAMETERS}
    estimating = Node(estimate, inputs=inputs | teacher, outputs="call_estimates", name=NODE)
    read = (one.create_pipeline() for one in (fetch_model, prepare_corpus, ask_questions))
    return sum(read, start=Pipeline([estimating]))
