"""Controls: placebos for exploration methods, which an effect has to beat."""
