# What type checkers and editors see: the public names, which __init__.py imports at first use.
from tasador.drift.judge import Judge as Judge
from tasador.drift.judge import judge_batch as judge_batch
from tasador.drift.judge import judge_requests as judge_requests
from tasador.drift.reference import make_reference as make_reference
from tasador.drift.report import DriftReport as DriftReport
from tasador.errors import TasadorError as TasadorError
from tasador.gate.checks import judge as judge_challenger
from tasador.gate.measures import Evaluation as Evaluation
from tasador.listings.listing import Listing as Listing
from tasador.listings.listing import read_listing as read_listing
from tasador.listings.table import read_csv as read_csv
from tasador.model.bundle import Bundle as Bundle
from tasador.model.contributions import explain as explain
from tasador.scoring.price_file import ScoreSummary as ScoreSummary
from tasador.scoring.price_file import score_csv as score_csv
from tasador.settings import Settings as Settings
from tasador.source.client import SourceClient as SourceClient
from tasador.training.from_csv import train_to_folder as train_to_folder

METAFLOW_PACKAGE_POLICY: str
__all__ = [
    "Bundle",
    "DriftReport",
    "Evaluation",
    "Judge",
    "Listing",
    "ScoreSummary",
    "Settings",
    "SourceClient",
    "TasadorError",
    "explain",
    "judge_batch",
    "judge_challenger",
    "judge_requests",
    "make_reference",
    "read_csv",
    "read_listing",
    "score_csv",
    "train_to_folder",
]
