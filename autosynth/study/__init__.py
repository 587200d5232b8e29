"""The search: spaces, the sampler's study, pruning, trials, workers. The only code on optuna."""
