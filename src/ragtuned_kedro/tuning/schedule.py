"""The learning rate as a function of the step."""

import math


def learning_rate_at(
    step: int, *, n_steps: int, peak: float, warmup_share: float, final_share: float
) -> float:
    """Rise linearly to `peak` over the first `warmup_share` of the steps, then fall as a cosine.

    Steps count from 0; the last step has `final_share * peak`.
    """
    n_warmup = math.ceil(warmup_share * n_steps)
    if step < n_warmup:
        return peak * (step + 1) / n_warmup
    progress = (step - n_warmup) / max(1, n_steps - 1 - n_warmup)
    final = final_share * peak
    return final + (peak - final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
