"""Rotates the Google Artifact Registry keys that Gardener's registry caches live on.

The floors, from the ground: nouns (`key`, `secret`, `shoot`, `policy`, `states`, `record`, `errors`) are frozen values;
`gates`, `waves`, `due` are pure decisions over nouns; `world` says what may be asked from outside; `steps` are the lines of
the runbook; `runbook` strings them together; `inventory` and `service` serve the doors; `permission` is the table of rights
that `needs` and `checkup` look for. `settings` reads configuration, `neighbours` alone builds `clients`, `wiring` alone builds
`stores`; `cli` and `main` are the doors. import-linter holds the order.
"""

VERSION = "0.1.0"
"""As in pyproject.toml; a function is deployed as source, so no installed metadata could tell."""
