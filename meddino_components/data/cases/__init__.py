"""List the cases of data sets: layouts, sequences, patients, splits and plans."""
