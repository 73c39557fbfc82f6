"""`riskmart load`: cohorts, outcomes and enrolments from files."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from python_scoring import status, warehouse
from python_scoring.commands.common import (
    ORG,
    Org,
    in_turn,
    out,
    progress,
    told_what_readers_have,
)
from python_scoring.errors import BadInput

if TYPE_CHECKING:
    from python_scoring.cohorts.loads import LoadResult

app = typer.Typer(
    help="Take in a cohort from files, or take one out.", no_args_is_help=True
)

_AS_OF = typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day looked back from.")
AsOf = Annotated[datetime, _AS_OF]
MaxRejectShare = Annotated[
    float, typer.Option(help="Share of a file's rows that may be bad.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Take the place of another load of that day.")
]
Template = Annotated[
    bool, typer.Option("--template", help="Print the layout and an example.")
]


@app.command("cms")
def load_cms(
    directory: Annotated[Path, typer.Argument(help="Folder of DE-SynPUF files.")],
    org: Org,
    as_of: AsOf,
    max_reject_share: MaxRejectShare = 0.01,
    replace: Replace = False,
) -> None:
    """Take in a folder of CMS DE-SynPUF claims files."""
    from python_scoring.cohorts import cms

    with in_turn("load", shared=True) as conn:
        result = cms.load(
            conn,
            directory,
            org=org,
            as_of=as_of.date(),
            max_reject_share=max_reject_share,
            replace=replace,
        )
    status.show_load(out, result)


@app.command("cohort")
def load_cohort(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A .csv, .csv.gz or .parquet file, or a folder of .parquet files."
        ),
    ] = None,
    org: Annotated[str | None, ORG] = None,
    as_of: Annotated[datetime | None, _AS_OF] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help="Outcomes, a file or folder; else NAME_outcomes beside it is taken."
        ),
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="A labelled history, never in a mart.")
    ] = False,
    template: Template = False,
    max_reject_share: MaxRejectShare = 0.01,
    replace: Replace = False,
    replace_reference: Annotated[
        bool,
        typer.Option(
            "--replace-reference",
            help="Build and publish too, and tell who moved between tiers.",
        ),
    ] = False,
) -> None:
    """Take in a cohort file, or print its layout (--template)."""
    from python_scoring.cohorts import cohort, reference

    if template:
        print(cohort.template())
        return
    if file is None or org is None or as_of is None:
        raise BadInput("load cohort: expected FILE --org CODE --as-of YYYY-MM-DD")
    with in_turn("load", shared=True) as conn, conn.transaction():
        if replace_reference:
            before = reference.check(conn, org, as_of.date(), is_training=training)
        result = cohort.load(
            conn,
            file,
            org=org,
            as_of=as_of.date(),
            outcomes=outcomes,
            purpose="training" if training else "cohort",
            max_reject_share=max_reject_share,
            replace=replace,
        )
        if replace_reference:
            reference.record(conn, result, before)
    status.show_load(out, result, is_built=replace_reference)
    if replace_reference:
        _build_on(result)


def _build_on(load: "LoadResult") -> None:
    """Build and publish, and tell who moved between the tiers of a load's people."""
    from python_scoring import pipeline, report
    from python_scoring.cohorts import reference

    with (
        told_what_readers_have(),
        reference.told_that_it_stays(load),
        progress() as (on_step, on_node),
    ):
        done = pipeline.build(on_step=on_step, on_node=on_node)
    with warehouse.connect() as conn:
        report.show_tier_changes(out, conn, load.org)
    for warning in done.warnings:
        out.print(f"[yellow]warning[/] {escape(warning)}", soft_wrap=True)
    if done.published:
        status.show_publication(out, done.published)


@app.command("enrolments")
def load_enrolments(
    file: Annotated[
        Path | None, typer.Argument(help="A .csv, .csv.gz or .parquet file.")
    ] = None,
    org: Annotated[
        str | None,
        typer.Option(help="Whose people; else the file's column org_code says so."),
    ] = None,
    programme: Annotated[
        str | None, typer.Option(help="Code of the programme, in capitals.")
    ] = None,
    template: Template = False,
    max_reject_share: MaxRejectShare = 0.01,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="What the file leaves out was no enrolment."),
    ] = False,
) -> None:
    """Take in who is in a care programme, or print the layout (--template)."""
    from python_scoring.cohorts import enrolments

    if template:
        print(enrolments.template())
        return
    if file is None or programme is None:
        raise BadInput("load enrolments: expected FILE --org CODE --programme CODE")
    with in_turn("load", shared=True) as conn:
        result = enrolments.load(
            conn,
            file,
            org=org,
            programme=programme,
            max_reject_share=max_reject_share,
            replace=replace,
        )
    status.show_enrolments(out, result)


@app.command("remove")
def load_remove(
    load_id: Annotated[int, typer.Argument(help="Number from `riskmart status`.")],
) -> None:
    """Take a load out again, with all its rows."""
    from python_scoring.cohorts import loads

    with in_turn("load") as conn:
        removed = loads.remove(conn, load_id)
    status.show_removal(out, removed)
