"""Which scans and labels are one case: listings, layouts of data sets, patients, splits, plans."""
