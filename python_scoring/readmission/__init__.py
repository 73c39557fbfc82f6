"""The readmission model: features, hazards, training, scoring."""
