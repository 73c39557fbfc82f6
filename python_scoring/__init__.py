"""riskmart: from a patient cohort to scores, tiers, ROI and tested marts."""
