"""The systems that are compared; each is a namespace of the answering pipeline."""

BASELINE = "base_model"
CANDIDATE = "rag_tuned"
# In the order in which tables show them.
SYSTEMS = (BASELINE, CANDIDATE)
BASE_ANSWERS = f"{BASELINE}.answers"
TUNED_ANSWERS = f"{CANDIDATE}.answers"
ALL_ANSWERS = tuple(f"{system}.answers" for system in SYSTEMS)
