"""Cross-validation: all folds of a bundle by its own configurations, and one report on all cases."""
