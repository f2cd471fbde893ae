"""Probes: from features and labels to scores."""
