"""What `gpu_checks.py` runs: checks of this project on the machine at hand, one file a subject."""
