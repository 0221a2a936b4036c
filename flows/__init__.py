"""Prefect flows, and the resident worker that runs them in its own process with the model loaded."""
