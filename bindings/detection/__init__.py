"""Which observations are odd? Densities as detectors, with rates of false alarms that hold.

import chainrule as cr
from chainrule import detection

detector = cr.Detector(cr.TableNADE(), false_alarm=0.01).fit(X)   # a fifth of X calibrates
detector.predict(X_new)                     # -1 odd, +1 clean, one clean row in 100 odd
detector.p_values(X_new)                    # the rank among clean rows
detector.surprise(X_new)                    # which column, pixel, character
detection.auc(detector.score_samples(X_clean), detector.score_samples(X_odd))
detection.drift(detector, stream)           # are they clean still?
"""

from chainrule.detection.curves import AUC, ROC, auc, roc
from chainrule.detection.detector import Detector
from chainrule.detection.drifting import Drift, drift

__all__ = ["AUC", "ROC", "Detector", "Drift", "auc", "drift", "roc"]
