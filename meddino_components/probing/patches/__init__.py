"""Probes of patches of labelled volumes."""
