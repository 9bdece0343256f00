"""The page of ``harness explain``, which answers the question of the label by an animation.

``cast`` names the variants shown side by side, ``frames`` reads rows and recording into arrays, ``texts`` holds the
sentences and the numbers in them, ``encode`` turns all of it into JSON, ``explainer_page`` writes the page, and
``why_true_figure`` draws the same frames for print. Texts are in ``languages/``, the browser's part in ``page/``.
"""
