"""Whatever is handed in, in which order and beside which builds: one set of marts."""

from copies import Copy

from benchmarks import histories, sameness
from python_scoring import warehouse

COUNT = 10
_PUBLISHED = "select build_id from raw.builds where status = 'published'"


def test_histories_end_in_the_marts_of_a_full_build(clone: Copy) -> None:
    seed = clone.rules("organizations")
    with clone.edited(organizations=seed.read_text() + histories.organizations(COUNT)):
        with warehouse.connect(autocommit=True) as conn:
            histories.load_cohorts(conn, COUNT)
        histories.build_and_publish()
        assert histories.play(COUNT, seed=5) == []
        assert clone.value("select count(*) from raw.new_patients") > 100
        _sabotage_is_seen(clone)


def _sabotage_is_seen(clone: Copy) -> None:
    """Change one sum by a hundred-millionth, and it is seen."""
    schema = f"build_{clone.value(_PUBLISHED)}"
    clone.execute(
        f"update {schema}.roi_aggregations set total_net_benefit ="
        " total_net_benefit * (1 + 1e-8) where prediction_window = '60_day'"
    )
    found = sameness.differences(schema, "candidate")
    assert any(line.startswith("roi_aggregations: ") for line in found)
