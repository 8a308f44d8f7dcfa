"""What those who made the data sets ask to be said where weights that were trained on them are passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESEARCH_ONLY = frozenset({"adience", "appa_real", "appa_real_test", "imdb_wiki", "utkface"})
"""Data sets whose weights may be used for research only."""

_FAIRFACE = (
    "Kärkkäinen and Joo, *FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias "
    "Measurement and Mitigation*, WACV 2021; CC BY 4.0. Ages are labelled by groups (0-2, 3-9, 10-19, ..., 60-69, 70 and older)."
)
_APPA_REAL = (
    "Agustsson et al., *Apparent and Real Age Estimation in Still Images with Deep Residual "
    "Regressors on APPA-REAL database*, FG 2017; research only. Ages are the means of many guesses."
)
_CREDITS = {
    "fairface": f"FairFace, train part. {_FAIRFACE}",
    "fairface_val": f"FairFace, validation part. {_FAIRFACE}",
    "utkface": "UTKFace. Zhang, Song and Qi, *Age Progression/Regression by Conditional Adversarial Autoencoder*, CVPR 2017; "
    "non-commercial research only. Ages are labelled in years.",
    "imdb_wiki": "IMDB-WIKI. Rothe, Timofte and Van Gool, *Deep expectation of real and apparent age from a single image without facial "
    "landmarks*, IJCV 2018; academic research only. Ages follow from dates of birth and of the photos, and are noisy.",
    "adience": "Adience. Eidinger, Enbar and Hassner, *Age and Gender Estimation of Unfiltered Faces*, IEEE TIFS 2014; research only. "
    "Ages are labelled by eight bands.",
    "appa_real": f"APPA-REAL, train part. {_APPA_REAL}",
    "appa_real_test": f"APPA-REAL, test part. {_APPA_REAL}",
    "people": "Pictures of people who agreed to it ([docs/consent-identity.md](../../docs/consent-identity.md)).",
}


def credit_lines(datasets: Iterable[str]) -> list[str]:
    """Return one line of Markdown for each data set.

    Raises:
        TrainingError: Nobody has written down what one of them asks for.
    """
    missing = [name for name in datasets if name not in _CREDITS]
    if missing:
        raise TrainingError(f"training/credits.py does not say whom to credit for {', '.join(missing)}")
    return [f"- {_CREDITS[name]}" for name in datasets]
