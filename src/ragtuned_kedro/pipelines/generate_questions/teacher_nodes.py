import pandas as pd

from ragtuned_kedro.evaluation.generate import GraphFacts, generate_questions
from ragtuned_kedro.evaluation.generated import OtherQuestions, choose_generated
from ragtuned_kedro.evaluation.teacher_questions import ReadTables, ask_teacher
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.schemas.evaluation_parameters import GenerationParams
from ragtuned_kedro.schemas.teaching_parameters import TeacherQuestionParams, TeachingParams


def have_questions_written(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    sentences: pd.DataFrame,
    entities: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    community_reports: pd.DataFrame,
    training_queries: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    teacher: Asker,
    evaluation_prompts: PromptBook,
    generation: GenerationParams,
    teacher_questions: TeacherQuestionParams,
    teaching: TeachingParams,
) -> tuple[pd.DataFrame, ...]:
    """Have the teacher ask global and local questions; linked ones are read off the graph."""
    others = OtherQuestions(
        training_queries["text"].tolist(),
        evaluation_queries["text"].tolist(),
        similarity=generation.decontamination_similarity,
    )
    made, calls = ask_teacher(
        ReadTables(documents, chunks, entities, entity_mentions, communities, community_reports),
        others,
        teacher,
        evaluation_prompts,
        language=teaching.language,
        max_context_tokens=teaching.max_context_tokens,
        **teacher_questions.model_dump(),
    )
    facts = GraphFacts(documents, sentences, entities, entity_mentions, community_members)
    linked = choose_generated(
        [one for one in generate_questions(facts) if one.scope == "linked"],
        others,
        n_per_scope=generation.n_per_scope,
        seed=generation.seed,
    )
    pairs = (
        (made.queries, linked.queries),
        (made.assertions, linked.assertions),
        (made.evidence, linked.evidence),
        (made.rejections, linked.rejections),
    )
    return *(pd.concat(pair, ignore_index=True) for pair in pairs), calls
