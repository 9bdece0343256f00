"""A sweep's report: one page that asks no other machine for anything, its figures and tables as files, Markdown, JSON.

The page is a function of committed rows and their description; missing, partial and diverged data are named on it.
``sections`` is the list of what stands on it, ``page`` how it is written, ``writing`` which files there are.
"""

from analysis.report.files import write_report, write_reports

__all__ = ["write_report", "write_reports"]
