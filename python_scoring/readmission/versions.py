"""What a model is called: by what it learnt from and what it computes."""

import hashlib

from python_scoring.readmission import features
from python_scoring.readmission.additive import AdditiveHazards


def version_of(training_fingerprint: str, hazards: AdditiveHazards) -> str:
    """Name a model; the same training and the same sums, the same name. No clock."""
    content = f"{training_fingerprint}\n{hazards.digest()}".encode()
    return f"{features.TARGET}-{hashlib.sha256(content).hexdigest()[:12]}"
