"""One file a step of a call's way: a pure core that is tested without Prefect, and a short `@task` around it."""
