"""Score a folder of predictions, made by any program, against a folder of references."""
