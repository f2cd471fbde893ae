"""Tables of scores: CSV, Markdown, LaTeX, figures."""
