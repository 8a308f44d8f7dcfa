"""`headcount-train …`: the commands, and how their errors are told."""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from pipeline.errors import HeadcountError
from training.commands import card, compare, evaluate, export, prepare, release, train, visits
from training.errors import TrainingError

_USAGE, _INTERRUPTED = 2, 130  # exit codes
_EXTRA = {"matplotlib", "onnxscript", "PIL", "torch"}

app = typer.Typer(
    name="headcount-train",
    help="Makes the age and gender models that headcount serves: from labelled faces to ONNX, evaluation and card.",
    epilog="docs/training.md leads through it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command(epilog="Example: headcount-train prepare fairface data/fairface")(prepare.prepare)
app.command(epilog="Example: headcount-train train default --data data")(train.train)
app.command(epilog="Example: headcount-train export default")(export.export)
app.command(epilog="Example: headcount-train evaluate triton_models/face_attributes fairface --out out/evaluation")(evaluate.evaluate)
app.command(epilog="Example: headcount-train release default --on fairface --on utkface")(release.release)
app.command(epilog="Example: headcount-train card face_attributes")(card.card)
app.command(epilog="Example: headcount-train compare")(compare.compare)
app.command(epilog="Example: headcount-train visits tests/e2e/truth/arcade.json arcade.mp4")(visits.visits)


@app.callback()
def headcount_train() -> None:
    """Make one command among others even of a single one."""


def main() -> None:
    """Run the command line; a known error is one line on stderr, with its exit code."""
    try:
        code = app(standalone_mode=False)
        if code != _INTERRUPTED:  # Typer makes it of a KeyboardInterrupt, without a word
            sys.exit(code)
        complaint = _interrupted()
    except TrainingError as error:
        complaint, code = str(error), _USAGE
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        complaint, code = f"the package {error.name} is missing: install headcount[train], in a checkout by make install-train", _USAGE
    except HeadcountError as error:
        complaint, code = str(error), error.exit_code
    except TyperException as error:
        complaint, code = error.format_message().rstrip(".") + ("; see --help" if error.exit_code == _USAGE else ""), error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        complaint, code = _interrupted(), _INTERRUPTED
    sys.stderr.write(f"headcount-train: {complaint}\n")
    sys.exit(code)


def _interrupted() -> str:
    goes_on = sys.argv[1:2] == ["train"]
    return "interrupted" + ("; the same command goes on from the last whole epoch" if goes_on else "")
