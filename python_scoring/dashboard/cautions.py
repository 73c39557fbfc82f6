"""What figures can support, in words: on pages and in the report."""

PROJECTIONS = (
    "Savings, net benefit and ROI are projections from the rules of seeds/rules, "
    "not results."
)
SYNTHETIC = "These are synthetic people: the figures test software, not medicine. "
_SYNTHETIC_SOURCES = ("X_TEST", "CMS")


def caution(data_source: str, name: str) -> str:
    """Say what the figures of an organization can support."""
    is_synthetic = data_source in _SYNTHETIC_SOURCES or "synthetic" in name.lower()
    return (SYNTHETIC if is_synthetic else "") + PROJECTIONS
