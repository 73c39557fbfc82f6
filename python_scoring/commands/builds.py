"""`riskmart build`, `publish`, `diff`: what readers get."""

from typing import TYPE_CHECKING, Annotated

import typer

from python_scoring import status, warehouse
from python_scoring.commands.common import (
    err,
    out,
    progress,
    ready_warehouse,
    told_what_readers_have,
)

if TYPE_CHECKING:
    from python_scoring.publication.publish import Publication

app = typer.Typer()


AllowBreaking = Annotated[
    bool,
    typer.Option(help="Publish although columns that readers have go or change type."),
]


@app.command()
def build(
    full_refresh: Annotated[
        bool,
        typer.Option(
            help="Make seeds and models anew, and run unit tests again; raw data stays."
        ),
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish/--no-publish", help="Let readers have it.")
    ] = True,
    allow_breaking: AllowBreaking = False,
) -> None:
    """Build and test everything, and publish it if every test passes."""
    from python_scoring import seeds

    # Before what reads them as it is imported.
    seeds.check()
    from python_scoring import pipeline, report

    with told_what_readers_have(), progress() as (on_step, on_node):
        done = pipeline.build(
            full_refresh=full_refresh,
            is_published=publish,
            allow_breaking=allow_breaking,
            on_step=on_step,
            on_node=on_node,
        )
    with warehouse.connect() as conn:
        if done.published:
            report.show_build(out, conn, done)
            status.show_publication(out, done.published)
        else:
            out.print(status.readers_have(conn))


@app.command("publish")
def publish_build(
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the build before.")
    ] = False,
    build_id: Annotated[
        int | None, typer.Option("--build", help="Go to this earlier build.")
    ] = None,
    allow_breaking: AllowBreaking = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for readers.")
    ] = 60.0,
) -> None:
    """Test the candidate again and publish it, or go back to an earlier build.

    Without a candidate, grants on the names are carried to the published tables.
    """
    from python_scoring import pipeline
    from python_scoring.publication import publish

    with (
        told_what_readers_have(),
        progress() as (on_step, on_node),
        ready_warehouse() as conn,
    ):
        done: Publication | None
        if rollback or build_id is not None:
            done = publish.go_back(
                conn,
                build_id,
                allow_breaking=allow_breaking,
                wait_seconds=wait,
                tell=on_step,
            )
        else:
            done = pipeline.publish_candidate(
                allow_breaking=allow_breaking,
                wait_seconds=wait,
                on_step=on_step,
                on_node=on_node,
            )
    if done:
        status.show_publication(out, done)
    else:
        out.print("No candidate. What the names grant is granted on their tables.")


@app.command()
def diff() -> None:
    """Show what the candidate would change for readers, mart by mart."""
    from python_scoring.publication import diff as comparison
    from python_scoring.readmission import migration

    with ready_warehouse() as conn, err.status("comparing"):
        chosen = comparison.sides(conn)
        marts = comparison.compare(conn, chosen)
        moves = migration.tier_migration(conn, chosen.new_schema, chosen.old.schema)
    status.show_diff(out, chosen, marts, moves)
