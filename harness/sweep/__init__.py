"""A whole sweep: search, confirm, commit; and resume as if nothing had happened.

``sweep`` opens a folder, ``pipeline`` runs the rounds, ``suggest`` asks the search for settings, ``training`` trains
and scores members, ``commit`` writes rows, ``committed`` reads them back, ``retry`` trains some of them again.
"""
