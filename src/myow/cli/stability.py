"""The commands that ask trained runs: what was learnt, whether they agree, and which units they rest on."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import MyowError, SettingError
from .options import AsJson, LoadOptions, Session

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..data.recording import Recording
    from ..methods.recordings import RecordingEstimator

__all__ = ["consistency", "importance", "report", "write_report"]

Runs = Annotated[list[Path], typer.Argument(help="Two or more folders that 'myow train' wrote.", show_default=False)]
OneRun = Annotated[Path, typer.Argument(help="A folder that 'myow train' wrote.", show_default=False)]
Picture = Annotated[
    Path | None, typer.Option("--figure", help="Write a figure here: .png, .pdf or .svg.", show_default=False)
]


def consistency(
    runs: Runs,
    by: Annotated[
        str | None, typer.Option(help="Label to average by, for runs of other recordings.", show_default="none")
    ] = None,
    folds: Annotated[int, typer.Option(help="Folds of segments.", min=2)] = 5,
    figure: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Predict the embedding of each run linearly from each other one, to see whether seeds, sessions or animals agree."""
    from ..evaluation.stability import consistency as agree
    from ..methods.deploy import embed

    embedded = [embed(*_model_and_recording(run)) for run in runs]
    found = agree(*embedded, names=[run.name for run in runs], by=by, folds=folds)
    _tell(found, as_json, figure)


def importance(
    run: OneRun,
    data: Annotated[str | None, typer.Argument(help="Another recording.", show_default="the one trained on")] = None,
    target: Annotated[str | None, typer.Option(help="Label to read out.", show_default="the first")] = None,
    readout: Annotated[
        str | None, typer.Option(help="angle, class, continuous or knn.", show_default="what fits the label")
    ] = None,
    load: LoadOptions = [],  # noqa: B006  (typer copies it)
    session: Session = None,
    figure: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Find which units carry a readout, by permutation and by gradient."""
    from ..evaluation.stability import importance as weigh

    model, recording = _model_and_recording(run, data, load)
    _tell(weigh(model, recording, target, readout=readout, session=session), as_json, figure)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders of runs, or the folder of a bench.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page.", show_default="report.html in the first folder")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", metavar="", help="Show it in the browser.")] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full", metavar="", help="Evaluate if that was not done, add controls, weigh every unit: minutes."
        ),
    ] = False,
    session: Annotated[
        str | None,
        typer.Option(
            "--session", metavar="NAME", help="Of a run of several sessions: the one shown.", show_default="the first"
        ),
    ] = None,
    without_activity: Annotated[
        bool, typer.Option("--without-activity", metavar="", help="Leave counts and rates of single units out.")
    ] = False,
) -> None:
    """Tell in one HTML page what runs learnt: verdict, explorer, mined views, decoding, provenance; needs no network."""
    from ..figures.report import report as tell

    page = out or runs[0] / "report.html"
    told = tell(*runs, session=session, out=page, open=open_, full=full, activity=not without_activity)
    print(f"{page}: {told.title}, {len(told.html.encode()) / 1e6:.1f} MB")


def write_report(out: Path, session: str | None = None) -> None:
    """Write the page of a run, or of one of its sessions, into its folder; where it cannot be made, what was trained must not be lost for it."""
    from ..figures.report import report as tell

    try:
        tell(out, session=session, out=out / "report.html")
    except Exception as error:
        why = (
            str(error) if isinstance(error, MyowError) else f"{type(error).__name__}: {error}; 'myow report' says where"
        )
        warnings.warn(f"no report was written: {why}", UserWarning, stacklevel=2)


def _model_and_recording(
    out: Path, data: str | None = None, load: list[str] | None = None
) -> tuple[RecordingEstimator, Recording]:
    """Load the model of a run, and the recording that it was trained on or another one."""
    from ..datasets import load_recording
    from ..methods.runs import RunFolder, sessions_of

    folder = RunFolder(out)
    run = folder.read()
    if run.of_images:
        raise SettingError(f"{out} learnt from images, and this is asked of recordings; name runs of recordings")
    if data is None and sessions_of(run):
        raise SettingError(f"{out} learnt from several sessions; embed each, and compare them with myow.consistency")
    recording = load_recording(data or run.data, load or (run.load if data in (None, run.data) else ()))
    model: Any = folder.model()
    return model, recording


def _tell(found: Any, as_json: bool, figure: Path | None) -> None:
    print(json.dumps(found.to_dict()) if as_json else found)
    if figure is not None:
        from ..figures.style import save

        drawn: Figure = found.plot()
        save(drawn, figure)
        if not as_json:
            print(f"figure: {figure}")
