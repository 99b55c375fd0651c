"""The staging secret of a credential at Secret Manager: its name, and the mark of the installation that it belongs to."""

import hashlib
import re

LABEL = "registry-key-rotator-installation"
LABEL_LIMIT = 63


def secret_id(base: str) -> str:
    """The staging secret of this credential."""
    return f"registry-key-rotator-{base}"


def label_value(installation: str) -> str:
    """The installation's name as a label value: lower case, at most 63 characters; different names stay different."""
    plain = re.sub(r"[^a-z0-9_-]", "-", installation.lower())[:LABEL_LIMIT]
    if plain == installation:
        return plain
    return f"{plain[: LABEL_LIMIT - 9]}-{hashlib.sha256(installation.encode()).hexdigest()[:8]}"


def agent(number: str) -> str:
    """The address of Secret Manager's service agent of the project of this number."""
    return f"service-{number}@gcp-sa-secretmanager.iam.gserviceaccount.com"


def number(project: str) -> str:
    """In a command: what a shell makes the project's number of."""
    return f"$(gcloud projects describe {project} --format 'value(projectNumber)')"


def publishing(topic: str, number: str) -> str:
    """The command that lets Secret Manager's service agent of the project of this number publish to the topic."""
    member = f"serviceAccount:{agent(number)}"
    return f"gcloud pubsub topics add-iam-policy-binding {topic} --member {member} --role roles/pubsub.publisher"
