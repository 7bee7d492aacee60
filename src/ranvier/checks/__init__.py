"""Checks that a user can run on a network of their own.

`check_gradients` compares gradients with central differences and explains the outcome; `gradient_agreement` compares
the gradients of two simulators; `diagnose` says why a network may not learn; `operations` counts what an inference
costs.
"""

from ranvier.checks.agreement import Agreement as Agreement
from ranvier.checks.agreement import AgreementReport as AgreementReport
from ranvier.checks.agreement import gradient_agreement as gradient_agreement
from ranvier.checks.diagnosis import diagnose as diagnose
from ranvier.checks.findings import Diagnosis as Diagnosis
from ranvier.checks.findings import Finding as Finding
from ranvier.checks.findings import Symptom as Symptom
from ranvier.checks.gradient_check import check_gradients as check_gradients
from ranvier.checks.neurobench import operations as operations
from ranvier.checks.report import FieldReport as FieldReport
from ranvier.checks.report import GradientReport as GradientReport
from ranvier.checks.report import Reason as Reason
from ranvier.checks.report import Verdict as Verdict
from ranvier.checks.runs import Probes as Probes

__all__ = [
    "Agreement",
    "AgreementReport",
    "Diagnosis",
    "FieldReport",
    "Finding",
    "GradientReport",
    "Probes",
    "Reason",
    "Symptom",
    "Verdict",
    "check_gradients",
    "diagnose",
    "gradient_agreement",
    "operations",
]
