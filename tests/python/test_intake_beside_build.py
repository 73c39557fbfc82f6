"""People who are handed in while a build runs: in it, in the next, in no part alone."""

import pytest
from copies import Copy
from test_add import person, take

from benchmarks.readers import protections
from python_scoring import pipeline, warehouse
from python_scoring.errors import BadInput
from python_scoring.intake import world
from python_scoring.publication import builds, publish


def test_people_of_the_cohort_may_come_at_every_step(clone: Copy) -> None:
    """Each step of a build sees the same scores, and its tests pass."""
    clone.published()
    came: list[str] = []

    def hand_in(step: str) -> None:
        if not step.startswith(("server", "waiting")):
            external_id = f"BL-{len(came) + 1:04}"
            take(person(external_id=external_id, annual_cost=55000))
            take(person(external_id=f"NEW-{len(came)}"))
            came.append(external_id)

    with warehouse.connect() as conn:
        protected = protections(conn)
    done = pipeline.build(on_step=hand_in)
    assert done.published is not None
    assert len(came) >= 5
    # Grants, policies and owners survive: the new build has what the first one had.
    with warehouse.connect() as conn:
        assert protections(conn) == protected
    assert len(protected) > 300
    assert clone.value("select count(*) from marts.patients") == 3000 + len(came)
    shown = clone.rows(
        "select external_id from marts.patients inner join raw.patient_registry"
        " using (patient_id) where data_source = 'NEW_PATIENT'"
        " and external_id like 'BL-%%' order by 1"
    )
    assert [external_id for (external_id,) in shown] == came
    assert clone.value("select patient_count from marts.organizations") == 3000 + len(
        came
    )


def test_a_build_does_not_wait_for_who_has_read_the_registry(clone: Copy) -> None:
    """Who has read it and waits to write to it would wait for the build in turn."""
    clone.published()
    with warehouse.connect() as intake:
        intake.execute("set idle_in_transaction_session_timeout = '300s'")
        intake.execute("select count(*) from raw.patient_registry")
        clone.run("run", "--select", "patient_registry")
        # Had the build altered the table, it would have waited until we were cut off.
        intake.execute("lock table raw.patient_registry in share row exclusive mode")


def test_a_way_back_waits_for_intake_as_long_as_asked(clone: Copy) -> None:
    clone.published()
    told: list[str] = []
    with (
        warehouse.connect() as intake,
        warehouse.connect(autocommit=True) as conn,
    ):
        current = builds.published(conn)
        assert current is not None
        world.lock(intake)
        with pytest.raises(BadInput, match="being taken in for too long"):
            publish._catch_up(conn, current, 0.3, told.append)
        assert told == ["waiting for new patients to be taken in"]
