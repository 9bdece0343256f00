"""Committed rows into tables, figures and a report. Reads what ``harness.store`` wrote; trains and changes nothing."""
