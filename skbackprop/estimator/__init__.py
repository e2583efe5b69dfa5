"""What both estimators share: hyperparameters, checked input, and the fitted network."""
