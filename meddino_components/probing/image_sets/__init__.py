"""Probes of labelled images."""
