"""What a frozen embedding is worth: readouts fitted on some rows, and scores with intervals on others."""

from .cross_validation import cross_validated_score
from .fit import fit_readout, fit_readout_few
from .labelled import Labelled, draw_labelled
from .readouts import READOUTS, Readout, readout_class
from .scores import Scores, majority_rate, score_predictions, score_readout

__all__ = [
    "READOUTS",
    "Labelled",
    "Readout",
    "Scores",
    "cross_validated_score",
    "draw_labelled",
    "fit_readout",
    "fit_readout_few",
    "majority_rate",
    "readout_class",
    "score_predictions",
    "score_readout",
]
