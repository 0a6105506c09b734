"""What stands on a wire's topics against the oracle, `enrich` over the same raw records: record by record."""

from newswire.pipeline.verify.report import Fault, Report
from newswire.pipeline.verify.verifier import Verifier, open_verifier

__all__ = ["Fault", "Report", "Verifier", "open_verifier"]
