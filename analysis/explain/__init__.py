"""``harness explain``: one page on which the question of the label is answered by watching.

``cast`` says which runs stand side by side, ``show`` reads rows and recording into one table of frames, ``lessons``
takes the page's sentences' numbers from them, ``packing`` makes it small, ``page`` writes it; ``figure`` draws the
same frames for paper. What is read of a language is in ``languages/``, what runs in the browser in ``page/``.
"""
