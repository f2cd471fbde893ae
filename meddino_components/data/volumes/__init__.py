"""Read volumes on a known grid from files and DICOM series, check, resample and normalise them."""
