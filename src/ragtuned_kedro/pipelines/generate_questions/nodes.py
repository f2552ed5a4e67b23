import pandas as pd

from ragtuned_kedro.evaluation import generate
from ragtuned_kedro.evaluation.generated import OtherQuestions, choose_generated
from ragtuned_kedro.evaluation.sample import sample_queries
from ragtuned_kedro.schemas.answering_parameters import ComparedQuestionsParams
from ragtuned_kedro.schemas.evaluation_parameters import GenerationParams


def generate_questions(
    documents: pd.DataFrame,
    sentences: pd.DataFrame,
    entities: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    community_members: pd.DataFrame,
    training_queries: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    generation: GenerationParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Ask what the graph decides, away from the training questions and those by hand."""
    made = choose_generated(
        generate.generate_questions(
            generate.GraphFacts(documents, sentences, entities, entity_mentions, community_members)
        ),
        OtherQuestions(
            training_queries["text"].tolist(),
            evaluation_queries["text"].tolist(),
            similarity=generation.decontamination_similarity,
        ),
        n_per_scope=generation.n_per_scope,
        seed=generation.seed,
    )
    return made.queries, made.assertions, made.evidence, made.rejections


def collect_questions(
    evaluation_queries: pd.DataFrame,
    generated_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    generated_assertions: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join what is asked: questions by hand and generated ones, and their assertions."""
    return (
        pd.concat([evaluation_queries, generated_queries], ignore_index=True),
        pd.concat([assertions, generated_assertions], ignore_index=True),
    )


def choose_compared(
    evaluation_queries: pd.DataFrame,
    generated_queries: pd.DataFrame,
    compared_questions: ComparedQuestionsParams,
) -> pd.DataFrame:
    """Choose the questions that all systems are asked, of both sets the same share."""
    n_questions = compared_questions.n_questions
    chosen = sample_queries(
        evaluation_queries, n_questions=n_questions, seed=compared_questions.seed
    )
    if n_questions is None or evaluation_queries.empty or generated_queries.empty:
        return pd.concat([chosen, generated_queries], ignore_index=True)
    share = min(1.0, n_questions / len(evaluation_queries))
    more = sample_queries(
        generated_queries,
        n_questions=max(1, round(share * len(generated_queries))),
        seed=compared_questions.seed,
    )
    return pd.concat([chosen, more], ignore_index=True)
