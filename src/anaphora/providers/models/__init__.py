"""Knowledge of models: cards, the catalog and the vendors."""
