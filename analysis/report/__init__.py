"""The report of a sweep: a self-contained HTML page, its figures and tables as files, and Markdown and JSON.

The page is a function of committed rows and their description. It names missing, partial and diverged data.
``sections`` holds the page's sections, ``report_page`` renders it, ``files`` writes it and what lies beside it.
"""

from analysis.report.report_files import write_report, write_reports

__all__ = ["write_report", "write_reports"]
