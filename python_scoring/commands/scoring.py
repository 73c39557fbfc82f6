"""Models and their scores: from a history to a model card."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from python_scoring import config, status
from python_scoring.commands.common import err, in_turn, out, ready_warehouse
from python_scoring.errors import BadInput

app = typer.Typer()


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
