"""Many encoders by many tasks."""
