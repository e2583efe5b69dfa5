"""Training: plan and state, the loop over epochs, L-BFGS, and when to stop."""
