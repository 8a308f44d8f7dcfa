"""What is measured of each face; the figures are means of these columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.evaluation.tasks import GENDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.evaluation.estimates import Estimates
    from training.evaluation.intervals import Float64
    from training.evaluation.tasks import Task
    from training.faces import Faces

TITLES = {
    "age_mae": "age: mean absolute error",
    "age_mae_18_75": "the same, aged 18 to 75",
    "age_bias": "age: mean of estimate minus truth",
    "age_cs5": "age: within 5 years (CS@5)",
    "age_epsilon": "age: ε-error (ChaLearn LAP)",
    "groups_accuracy": "nine age groups: exact",
    "groups_one_off": "nine age groups: at most one off",
    "groups_nll": "nine age groups: negative log-likelihood",
    "groups_ece": "nine age groups: calibration error (ECE)",
    "adience_accuracy": "Adience's eight bands: exact",
    "adience_one_off": "Adience's eight bands: at most one off",
    "adience_nll": "Adience's eight bands: negative log-likelihood",
    "adience_ece": "Adience's eight bands: calibration error (ECE)",
    "generations_accuracy": "six generations (0-6, 7-14, 15-24, 25-44, 45-69, 70+): exact",
    "age_bins_accuracy": "21 bins of five years, of exact ages: exact",
    "gender_accuracy": "gender",
    "gender_accuracy_adults": "gender, labelled as 18 or older",
    "gender_nll": "gender: negative log-likelihood",
    "gender_ece": "gender: calibration error (ECE)",
    "people_accuracy": "people, and none of them",
    "people_nll": "people: negative log-likelihood",
    "people_ece": "people: calibration error (ECE)",
}
"""The figures by name. Of `…_ece` see calibration.py; of the others here."""
IN_YEARS = ("age_mae", "age_mae_18_75", "age_bias")
IN_NATS = ("groups_nll", "adience_nll", "gender_nll", "people_nll")

_ADULT_YEARS = 18
_PRIME = (18, 75)  # years that published figures of small models are often restricted to
_NEAR_YEARS = 5
_LEAST = 1e-12


def columns(faces: Faces, estimates: Estimates, tasks: Sequence[Task]) -> dict[str, Float64]:
    """Return each measure's values (n,); NaN where a face does not count for it."""
    found = _age_columns(faces, estimates) if estimates.knows_age else {}
    for task in tasks:
        found |= _task_columns(task)
        if task.name == GENDER:
            found["gender_accuracy_adults"] = _where(faces.age_low >= _ADULT_YEARS, found["gender_accuracy"])
    return found


def class_columns(task: Task) -> dict[str, Float64]:
    """Return `precision` and `recall` of each class, as columns (n,): "precision male"."""
    known = task.truth >= 0
    right = task.judged == task.truth
    found = {}
    for number, name in enumerate(task.classes):
        found[f"precision {name}"] = _where(known & (task.judged == number), right)
        found[f"recall {name}"] = _where(task.truth == number, right)
    return found


def likelihoods(task: Task) -> Float64:
    """Return the probability (n,) of each face's true class; where it is not known, of any."""
    likelihood = np.take_along_axis(task.probs, np.maximum(task.truth, 0)[:, None], axis=1)[:, 0]
    return np.maximum(likelihood.astype(np.float64), _LEAST)


def _age_columns(faces: Faces, estimates: Estimates) -> dict[str, Float64]:
    """Return the errors in years, where the exact age is known."""
    exact = faces.age_low == faces.age_high
    error = estimates.ages - faces.age_low
    prime = (faces.age_low >= _PRIME[0]) & (faces.age_low <= _PRIME[1])
    return {
        "age_mae": _where(exact, np.abs(error)),
        "age_mae_18_75": _where(exact & prime, np.abs(error)),
        "age_bias": _where(exact, error),
        "age_cs5": _where(exact, np.abs(error) <= _NEAR_YEARS),
        "age_epsilon": _where(exact & (faces.sigma > 0), 1 - np.exp(-(error**2) / (2 * faces.sigma**2))),
    }


def _task_columns(task: Task) -> dict[str, Float64]:
    known = task.truth >= 0
    off = np.abs(task.judged - task.truth)
    found = {f"{task.name}_accuracy": _where(known, off == 0)}
    if task.for_comparison:
        return found
    if task.of_age:
        found[f"{task.name}_one_off"] = _where(known, off <= 1)
    return found | {f"{task.name}_nll": _where(known, -np.log(likelihoods(task)))}


def _where(counts: NDArray[np.bool_], values: NDArray[np.generic]) -> Float64:
    return np.where(counts, values, np.nan).astype(np.float64)
