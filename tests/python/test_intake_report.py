"""What a service prints of new patients: nothing of what a record says."""

import psycopg
import pytest

from python_scoring import intake_report


def test_a_fault_of_ours_is_told_without_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for error in (ValueError("MRN-4711"), psycopg.errors.NumericValueOutOfRange("Ann")):
        try:
            raise error
        except Exception as caught:
            intake_report.complain(caught)
    said = capsys.readouterr().err
    assert "test_intake_report.py" in said
    assert "ValueError: a record" in said
    assert "NumericValueOutOfRange (22003): a record" in said
    assert "MRN-4711" not in said
    assert "Ann" not in said
