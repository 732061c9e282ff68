"""Who answers: one file per provider or dialect."""
