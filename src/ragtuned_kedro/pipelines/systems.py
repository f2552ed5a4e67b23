"""The systems that are compared; each is a namespace of the answering pipeline."""

BASELINE = "base_model"
CANDIDATE = "rag_tuned"
BASE_ANSWERS = f"{BASELINE}.answers"
TUNED_ANSWERS = f"{CANDIDATE}.answers"
