"""The command line: the one place that prints and sets exit codes.

Exit codes: 0 done, 1 a gate or test said no, 2 something handed in is wrong.
Faults of our own are tracebacks.
"""

import hashlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import duckdb
import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from python_scoring import (
    cli_access,
    cli_audit,
    config,
    server,
    status,
    turns,
    warehouse,
)
from python_scoring.access import protection
from python_scoring.audit import heads
from python_scoring.audit import store as trail
from python_scoring.duck.connection import in_words as errors_in_words
from python_scoring.duck.connection import interrupt as interrupt_duckdb
from python_scoring.embedded import binaries
from python_scoring.errors import BadInput, RiskmartError
from python_scoring.identities import keys
from python_scoring.turns import Tell
from python_scoring.warehouse import Connection

if TYPE_CHECKING:
    from python_scoring.cohorts.loads import LoadResult
    from python_scoring.intake.answer import Answer
    from python_scoring.publication.publish import Publication


# What there is of a warehouse in one DuckDB file too.
_ON_DUCKDB = {
    *("build", "publish", "load", "add", "synth", "train", "score", "evaluate"),
    *("status", "sql", "dbt", "test", "docs"),
}


class _Words(TyperGroup):
    """Interrupts and a lost server, at any moment of any command, in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and note the head of the trail outside the database."""
        try:
            return self._in_words(ctx)
        finally:
            if not config.is_duckdb():
                heads.note_pending()

    def _in_words(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise BadInput(f"interrupted; {_STANDS}") from None
        except duckdb.Error as error:
            words = errors_in_words(error)
            if words is None:
                raise
            raise BadInput(f"{words}; {_STANDS}") from None
        except RuntimeError as error:
            # DuckDB's word for a KeyboardInterrupt that came while it was at work.
            if str(error) != "Query interrupted":
                raise
            raise BadInput(f"interrupted; {_STANDS}") from None
        except psycopg.errors.DiskFull as error:
            raise BadInput(f"no room left: {str(error).strip()}; {_STANDS}") from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise BadInput(
                f"{str(error).splitlines()[0]}; expected a database user who may"
            ) from None
        except psycopg.OperationalError as error:
            if error.sqlstate is not None and error.sqlstate[:2] not in ("08", "57"):
                raise
            raise BadInput(
                f"the warehouse ({config.describe()}) went away: "
                f"{str(error).strip()}; {_STANDS}"
            ) from None


_STANDS = "what was committed stands, and readers have one whole build"

app = typer.Typer(
    cls=_Words,
    help="From a patient cohort to risk scores, tiers, ROI and tested marts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
load_app = typer.Typer(
    help="Take in a cohort from files, or take one out.", no_args_is_help=True
)
db_app = typer.Typer(help="The server and its roles.", no_args_is_help=True)
docs_app = typer.Typer(help="Pages made from the project.", no_args_is_help=True)
app.add_typer(load_app, name="load")
app.add_typer(db_app, name="db")
app.add_typer(docs_app, name="docs")
app.add_typer(cli_access.app, name="access")
app.add_typer(cli_audit.app, name="audit")

# A pipe has no width: a table there is as wide as it needs to be.
_PIPE_WIDTH = None if sys.stdout.isatty() else 200
out = Console(width=_PIPE_WIDTH)
err = Console(stderr=True, soft_wrap=True)

Org = Annotated[
    str, typer.Option("--org", help="Code from seeds/rules/organizations.csv.")
]
AsOf = Annotated[
    datetime,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day looked back from."),
]
MaxRejectShare = Annotated[
    float, typer.Option(help="Share of a file's rows that may be bad.")
]
AllowBreaking = Annotated[
    bool,
    typer.Option(help="Publish although columns that readers have go or change type."),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Take the place of another load of that day.")
]


def main() -> None:
    """Run the command line; errors in words, faults of ours as tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no accents gets them spelled.
            stream.reconfigure(errors="backslashreplace")
    # Whoever asks us to end gets the same clean end as by ctrl-c.
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        sys.argv[1:] = _target_first(sys.argv[1:])
        app(prog_name="riskmart")
    except RiskmartError as error:
        err.print(f"[red]error[/] {escape(str(error))}")
        sys.exit(error.exit_code)


def _interrupt(*_: object) -> None:
    interrupt_duckdb()
    raise KeyboardInterrupt


def _target_first(arguments: list[str]) -> list[str]:
    """Let `--target` stand behind a command of ours too; dbt's own stays dbt's."""
    if not arguments or arguments[0] in ("dbt", "mf", "psql", "test"):
        return arguments
    for place, argument in enumerate(arguments):
        if argument == "--target" and place + 1 < len(arguments):
            rest = arguments[:place] + arguments[place + 2 :]
            return ["--target", arguments[place + 1], *rest]
        if argument.startswith("--target="):
            return [argument, *arguments[:place], *arguments[place + 1 :]]
    return arguments


@app.callback()
def choose(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Option(
            help="Where the warehouse is kept: postgres or duckdb (RISKMART_TARGET).",
        ),
    ] = None,
) -> None:
    """From a patient cohort to risk scores, tiers, ROI and tested marts."""
    if target:
        os.environ["RISKMART_TARGET"] = target
    command = context.invoked_subcommand
    if config.is_duckdb() and command not in _ON_DUCKDB:
        raise BadInput(
            f"riskmart {command}: not of a DuckDB file, which has no server, logins, "
            f"trail or dashboard; expected one of {', '.join(sorted(_ON_DUCKDB))}, or "
            "the target postgres"
        )


@contextmanager
def ready_warehouse() -> Iterator[Connection]:
    """Connect to a running warehouse with its raw tables in place."""
    server.ensure_running()
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
        yield conn


@contextmanager
def progress() -> Iterator[tuple[Tell, Tell]]:
    """Show what is being done: functions to tell of a step, and of a dbt node."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task("starting", total=None)
        step = ""

        def on_step(name: str) -> None:
            nonlocal step
            step = name
            shown.update(task, description=name)
            if name.startswith("waiting") and not err.is_terminal:
                err.print(name)

        def on_node(name: str) -> None:
            shown.update(task, description=f"{step}: {name}")

        yield on_step, on_node


@contextmanager
def told_what_readers_have() -> Iterator[None]:
    """Add to whatever fails what readers have, and where the candidate is."""
    try:
        yield
    except RiskmartError as error:
        have = ""
        # Where nothing was ever made, there is no record of builds to ask either.
        nothing = (
            *(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName),
            duckdb.CatalogException,
        )
        with suppress(BadInput, *nothing), warehouse.connect() as conn:
            have = status.readers_have(conn)
        raise type(error)(f"{error}\n{have}".rstrip()) from None


@contextmanager
def in_turn(what: str, *, shared: bool = False) -> Iterator[Connection]:
    """Connect when no build is at work, and keep one from beginning."""
    with ready_warehouse() as conn, turns.take(what, shared=shared, tell=err.print):
        yield conn


@app.command()
def build(
    full_refresh: Annotated[
        bool, typer.Option(help="Make seeds and models anew; raw data stays.")
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


@load_app.command("cms")
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


@load_app.command("cohort")
def load_cohort(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A .csv, .csv.gz or .parquet file, or a folder of .parquet files."
        ),
    ] = None,
    org: Annotated[
        str | None, typer.Option(help="Code from seeds/rules/organizations.csv.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day looked back from."),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help="Outcomes, a file or folder; else NAME_outcomes beside it is taken."
        ),
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="A labelled history, never in a mart.")
    ] = False,
    template: Annotated[
        bool, typer.Option("--template", help="Print the layout and an example.")
    ] = False,
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


@load_app.command("enrolments")
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
    template: Annotated[
        bool, typer.Option("--template", help="Print the layout and an example.")
    ] = False,
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


@load_app.command("remove")
def load_remove(
    load_id: Annotated[int, typer.Argument(help="Number from `riskmart status`.")],
) -> None:
    """Take a load out again, with all its rows."""
    from python_scoring.cohorts import loads

    with in_turn("load") as conn:
        removed = loads.remove(conn, load_id)
    status.show_removal(out, removed)


@app.command()
def add(
    file: Annotated[
        str | None,
        typer.Argument(help="JSON or CSV, one patient or many; or -."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer in JSON, for programs.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Answer the same, and change nothing.")
    ] = False,
    all_or_nothing: Annotated[
        bool,
        typer.Option("--all-or-nothing", help="Nobody, where one record has a fault."),
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a record.")
    ] = False,
) -> None:
    """Take new patients in: at once they are in every mart."""
    from python_scoring import intake_report
    from python_scoring.intake import adding, documents, record

    if schema:
        intake_report.show_json(record.json_schema())
        return
    if file is None:
        raise BadInput("add: expected a .json or .csv file, or - to read what is piped")
    records = list(documents.split(*documents.read(file)))
    server.ensure_running()
    with adding.intake() as intake:
        answer = intake.add(
            records, is_dry_run=dry_run, is_all_or_nothing=all_or_nothing
        )
    if as_json:
        intake_report.show_json(answer.as_json())
    else:
        intake_report.show(out, answer)
    if answer.count("rejected"):
        raise typer.Exit(BadInput.exit_code)


@app.command("serve-intake")
def serve_intake() -> None:
    """Take in what programs put into raw.new_patient_raw_input, until interrupted."""
    from python_scoring import intake_report
    from python_scoring.intake import adding, serving

    server.ensure_running()
    with adding.intake() as intake:

        def told(answer: "Answer") -> None:
            heads.note(intake.conn)
            intake_report.show_line(out, answer)

        err.print(f"Waiting for new patients in {config.describe()}; ctrl-c ends it.")
        serving.serve(intake, tell=told, complain=intake_report.complain)


@app.command()
def synth(
    patients: Annotated[int, typer.Option(help="How many people.")] = 3000,
    seed: Annotated[int, typer.Option(help="The same seed, the same people.")] = 1,
    folder: Annotated[
        Path, typer.Option("--to", help="Folder for cohort and outcomes (Parquet).")
    ] = Path("."),
    training: Annotated[
        bool,
        typer.Option("--training", help="Load the standard labelled history instead."),
    ] = False,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Write the baseline seeds instead.")
    ] = False,
) -> None:
    """Make synthetic people: files to load, a training history, or the seeds."""
    from python_scoring import pipeline
    from python_scoring.cohorts import generator

    if training and baseline:
        raise BadInput("synth: expected one of --training and --baseline")
    if training:
        with in_turn("load", shared=True) as conn:
            status.show_load(out, pipeline.load_training_cohort(conn))
        return
    if baseline:
        generator.write_baseline(config.PROJECT_DIR / "seeds" / "baseline")
        out.print(
            "Wrote seeds/baseline/baseline_patients.csv and baseline_outcomes.csv"
        )
        return
    if not folder.is_dir():
        raise BadInput(f"--to {folder}: not a folder")
    cohort_file = folder / f"synth_{patients}_{seed}.parquet"
    outcomes_file = folder / f"synth_{patients}_{seed}_outcomes.parquet"
    generator.write_parquet(cohort_file, outcomes_file, patients, seed)
    out.print(f"Wrote {patients:,} people to {cohort_file} and {outcomes_file}")
    out.print(
        f"Load them with: riskmart load cohort {cohort_file} --org SYNTH "
        f"--as-of {date.today().isoformat()}"
    )


@app.command()
def train(
    seed: Annotated[
        int, typer.Option(min=0, help="Of the folds; same seed, same model.")
    ] = 0,
) -> None:
    """Fit the readmission model on the labelled histories and put it in force."""
    from python_scoring.readmission import train as training

    with in_turn("training") as conn, err.status("training"):
        result = training.train(conn, seed)
    status.show_training(out, result)


@app.command()
def score(
    rescore: Annotated[
        bool, typer.Option(help="Score everyone, whether or not anything changed.")
    ] = False,
    in_database: Annotated[
        bool | None,
        typer.Option(
            "--in-database/--in-python",
            help="By SQL from the model's table, or by numpy from its file; the"
            " faster one by default.",
        ),
    ] = None,
) -> None:
    """Score current patients whose score is missing or out of date."""
    from python_scoring import ledger
    from python_scoring.readmission import score as scoring

    ways = {None: None, True: ledger.DATABASE, False: ledger.PYTHON}
    with in_turn("scoring") as conn, err.status("scoring"):
        result = scoring.score(conn, rescore=rescore, way=ways[in_database])
    where = "in the database" if result.scored_in == ledger.DATABASE else "in Python"
    out.print(
        f"{result.scored:,} of {result.patients:,} patients scored by "
        f"{result.model_version}, {where}. `riskmart build` brings them to the marts."
    )


@app.command()
def evaluate() -> None:
    """Judge the model in force on every cohort whose outcomes are known."""
    from python_scoring.readmission import evaluate as evaluation

    with in_turn("evaluation") as conn, err.status("evaluating"):
        result = evaluation.evaluate(conn)
    status.show_evaluation(out, result)


@app.command()
def replay(
    batch: Annotated[int, typer.Option(help="Number from `riskmart status`.")],
) -> None:
    """Score a past batch again from its own features and model, and compare."""
    from python_scoring.readmission import replay as replaying

    with ready_warehouse() as conn, err.status("replaying"):
        same = replaying.replay(conn, batch)
    agreement = f"the same to the bit (SHA-256 {same.replayed_sha256})"
    if same.recorded_sha256 != same.replayed_sha256:
        agreement = (
            "the same as was scored in the database but for the last digits, "
            f"{same.largest_difference:.0e} at most"
        )
    out.print(
        f"Batch {same.batch_id}: {same.rows:,} rows scored again by "
        f"{same.model_version}, {agreement}."
    )


@app.command()
def card(
    model: Annotated[
        str | None, typer.Option(help="A model's version; the one in force by default.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--to", help="Folder; docs/model_cards by default.")
    ] = None,
) -> None:
    """Write the model card, for clinicians and auditors."""
    from python_scoring import card as cards

    with ready_warehouse() as conn:
        written = cards.write(conn, model, folder)
    out.print(f"Wrote {written}")


@app.command()
def backup(
    folder: Annotated[
        Path | None, typer.Option("--to", help="Folder of the backups.")
    ] = None,
    keep: Annotated[int, typer.Option(help="How many stay, this one included.")] = 14,
) -> None:
    """Back up the whole warehouse and its models."""
    from python_scoring import backup as backups

    with err.status("backing up"):
        made = backups.make(folder, keep, tell=err.print)
    status.show_backup(out, made)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="One backup's folder.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Although the warehouse holds data.")
    ] = False,
) -> None:
    """Restore a backup beside what is there, compare it, and put it in force."""
    from python_scoring import restore as restoring

    with err.status("restoring"):
        restored = restoring.restore(folder, replace=replace, tell=err.print)
    status.show_restored(out, restored)


@app.command("status")
def show_status() -> None:
    """Show where the warehouse is and what it holds."""
    if config.is_duckdb() and not config.duckdb_file().exists():
        out.print(f"{config.describe()}: not there yet; `riskmart build` makes it")
        return
    if config.is_embedded() and not server.is_running():
        out.print(f"{config.describe()}: not running; `riskmart db start` starts it")
        raise typer.Exit(1)
    with ready_warehouse() as conn:
        status.show(out, conn)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Run one SQL statement and print what it returns."""
    with ready_warehouse() as conn:
        try:
            count = status.show_query(out, conn, query, as_csv=csv)
            if csv:
                # Not the statement itself, for whom it may name.
                digest = hashlib.sha256(query.encode()).hexdigest()
                detail = {"query_sha256": digest}
                trail.record(conn, "export", "sql --csv", count, detail=detail)
        except psycopg.Error as error:
            raise BadInput(str(error).strip()) from None
        except duckdb.Error as error:
            said = errors_in_words(error) or str(error).strip()
            raise BadInput(said) from None


@app.command(context_settings={"ignore_unknown_options": True})
def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="For psql.")] = None,
) -> None:
    """Open psql on the warehouse."""
    with ready_warehouse():
        pass
    sys.stdout.flush()
    program = str(binaries.client("psql"))
    environment = {**keys.without_key(os.environ), **config.libpq_environment()}
    os.execve(program, [program, *(arguments or [])], environment)


@app.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    }
)
def dbt(context: typer.Context) -> None:
    """Run dbt itself on the warehouse: riskmart dbt build --select patients+."""
    from python_scoring import dbt as dbt_project

    with ready_warehouse():
        pass
    raise typer.Exit(dbt_project.passthrough(context.args))


@app.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    }
)
def mf(context: typer.Context) -> None:
    """Ask the metrics, by MetricFlow: riskmart mf query --metrics net_benefit."""
    from python_scoring import semantic

    with ready_warehouse():
        pass
    raise typer.Exit(semantic.passthrough(context.args))


@app.command("test", context_settings={"ignore_unknown_options": True})
def run_checks(
    arguments: Annotated[list[str] | None, typer.Argument(help="For pytest.")] = None,
) -> None:
    """Run every check of the project: style, types, SQL, tests."""
    from python_scoring import checks

    raise typer.Exit(checks.run(err, arguments or []))


@docs_app.command("er")
def docs_er() -> None:
    """Draw the marts and their keys (Mermaid) into docs/er_diagram.md."""
    from python_scoring import diagram
    from python_scoring.dbt import Project

    project = Project()
    project.parse()
    out.print(f"Wrote {diagram.write(project.manifest)}", soft_wrap=True)


@db_app.command("start")
def db_start() -> None:
    """Start the embedded server (or find it running) and make the raw tables."""
    with ready_warehouse():
        pass
    out.print(f"Ready: {config.describe()}")


@db_app.command("stop")
def db_stop() -> None:
    """Stop the embedded server."""
    if config.is_team_server():
        raise BadInput(f"db stop: {config.describe()} is not ours to stop")
    server.stop()
    out.print("Stopped.")


@db_app.command("init-roles")
def db_init_roles(
    builder: Annotated[
        list[str] | None,
        typer.Option(help="A login that builds, loads and scores; may be repeated."),
    ] = None,
) -> None:
    """Make the roles, and put rows under row-level security; once for each database."""
    server.ensure_running()
    with warehouse.connect(autocommit=True) as conn:
        done = protection.init(conn, builder or [])
    out.print(f"Roles made: {', '.join(done.made) or 'none, they were there'}.")
    for note in done.missing:
        out.print(f"[yellow]off[/] {escape(note)}")
    out.print("The next `riskmart build` publishes under row-level security.")


@db_app.command("dsn")
def db_dsn() -> None:
    """Print where to connect, without a password."""
    given = {k: v for k, v in config.connection_parameters().items() if k != "password"}
    print(psycopg.conninfo.make_conninfo("", **given))


# Commands of other rooms, which take what stands above.
from python_scoring import cli_dashboard, cli_identities, cli_target  # noqa: E402, F401
