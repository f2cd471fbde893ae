"""Parts of `header_fuzz.py`: whole files, mutations of their headers, and what reading them in a child comes to."""
