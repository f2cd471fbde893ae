"""Probes: components that turn labelled features into scores."""
