"""``lava-ep deploy``, ``export`` and ``import``."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lava_ep.command_line import (
    AsJson,
    Assignments,
    RunDir,
    SpecFile,
    complete_presets,
    console,
    elsewhere,
    make_experiment,
)
from lava_ep.errors import InputError
from lava_ep.files import check_writable, replacing


def report(
    *,
    run_dir: Annotated[
        Path | None, typer.Argument(help="Folder of a run, or none for --preset or --spec.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Experiment that comes with the package.", autocompletion=complete_presets
        ),
    ] = None,
    spec: SpecFile = None,
    inference: Annotated[
        bool, typer.Option("--inference", help="Weights stay as they are: nothing learns there.")
    ] = False,
    system: Annotated[
        str | None, typer.Option(help="Judge this system only (default: all of them).")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A limit of a core, if not the public figure."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the cores to this file (.png, .svg, .pdf).")
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Place a network on Loihi 2: exit code 0 if it fits, 1 if it does not."""
    from lava_ep import deploy, training
    from lava_ep.figures import theme
    from lava_ep.loihi2 import resources

    if run_dir is not None:
        if preset or spec:
            raise InputError(f"{run_dir}: has its own spec; leave out --preset and --spec")
        from lava_ep.spec import override

        experiment = override(training.RunFolder.open(run_dir).spec(), assignments or [])
    else:
        experiment = make_experiment(preset, spec, {}, assignments)
    systems = (resources.find_system(system),) if system else resources.SYSTEMS
    limits = resources.Limits().override(limit or [])
    if figure is not None and figure.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"--figure {figure}: expected a name that ends in .png, .svg or .pdf")
    if figure is not None and not figure.parent.is_dir():
        raise InputError(f"--figure {figure}: there is no folder {figure.parent}")
    if figure is not None:
        check_writable(figure)
    placed = deploy.place(experiment.ep_network, learning=not inference, limits=limits)
    found = deploy.report_on(placed, systems)
    if figure is not None:
        with theme.applied(theme.LIGHT), replacing(figure) as temporary:
            deploy.core_map(placed, found.shown).savefig(temporary, format=figure.suffix[1:])
    if as_json:
        print(json.dumps(found.to_json()), flush=True)
    else:
        found.print(console(soft_wrap=False))
        if figure is not None:
            console().print(f"Figure: {figure.resolve()}")
    if found.home is None:
        raise typer.Exit(1)


def export_nir(
    run_dir: RunDir,
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: RUN_DIR/network.nir).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the newest checkpoint of a run as a graph of NIR."""
    from lava_ep import deploy

    with elsewhere(out, "--out FILE"):
        out = out or run_dir / "network.nir"
        check_writable(out)
    trained = deploy.Trained.of_run(run_dir)
    graph = deploy.write_nir(out, trained)
    counts = {"nodes": len(graph.nodes), "edges": len(graph.edges)}
    if as_json:
        print(json.dumps({"nir": str(out), "epochs": trained.epoch, **counts}), flush=True)
        return
    console().print(
        f"{trained.experiment.network} after {trained.epoch} epochs: {counts['nodes']} nodes, "
        f"{counts['edges']} edges in {out.resolve()}"
    )


def import_nir(
    file: Annotated[Path, typer.Argument(help="File that `lava-ep export nir` has written.")],
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make (default: runs/NAME-TIME).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a run folder of a NIR file, to evaluate, draw or go on with."""
    from lava_ep import deploy

    trained = deploy.read_nir(file)
    if out is None:
        out = Path("runs") / f"{file.stem}-{datetime.now():%Y%m%d-%H%M%S}"
    trained.make_run(out, command=shlex.join(["lava-ep", *sys.argv[1:]]))
    if as_json:
        print(json.dumps({"run_dir": str(out), "epochs": trained.epoch}), flush=True)
        return
    console().print(f"{trained.experiment.network} after {trained.epoch} epochs\nRun folder: {out}")
