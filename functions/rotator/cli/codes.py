"""What each code of "blocked" means and what to do: one paragraph each. A test compares this with the source."""

import re
from typing import Any

_TEXT = """\
api-disabled
    A Google API that the rotator needs is not enabled in the project. The next command enables it; wait a minute,
    then retry the record.

attempts
    The same step failed or died too often (policy.attempts). The last reason is in the record: rotator describe ID.
    Nothing was taken away meanwhile. Mend the cause, then retry.

cannot-pull
    The new key was exchanged for tokens, but a registry refuses it. Most often the service account lacks
    roles/artifactregistry.reader on the repository, or the upstream is not the one that the account is for. No
    Shoot has been moved; the old key serves on. Grant the role, then retry.

confirm-delete_key
    The policy wants a person to let the old key be deleted (confirm). It is disabled and has been quiet; after this
    it cannot come back. `rotator retry ID` confirms.

confirm-delete_secrets
    The policy wants a person to let the old Secrets be deleted (confirm). Nobody names them; from here there is no
    way back to them. `rotator retry ID` confirms.

confirm-disable_key
    The policy wants a person to let the old key be disabled (confirm). Disabling can be undone with `rotator
    reenable`. `rotator retry ID` confirms.

confirm-other-users
    The policy names users of this key outside Gardener (other_users). Ask them whether they have moved to another
    key; `rotator retry ID` confirms that they have.

confirm-publish
    The policy wants a person to let the new Secrets be written (confirm). The key is proven, nothing uses it yet.
    `rotator retry ID` confirms.

confirm-roll_out
    The policy wants a person to let the Shoots be moved (confirm). The Secrets are there. `rotator retry ID`
    confirms.

confirm-rotation
    Shoots live on a key that is dead (disabled, expired or deleted), and in mode "manual" no rotation begins by
    itself. Their caches cannot pull with it. `rotator retry ID` or `rotator rotate CREDENTIAL` begins the rotation.

disabled-by-google
    Google itself disabled this key, because it was found in public or abused. Enabling it might open a leaked key
    again, so the rotator does not. Rotate to a new key.

enabled-by-somebody
    A key that the rotator had disabled was enabled by somebody: that somebody needs it. Find out who (audit log,
    iam.serviceAccountKeys.enable), move that user, disable the key again or take it back with `rotator reenable`,
    then retry.

expires-too-soon
    The key would expire before the waits of the policy are over, so Shoots would be moved onto a dying key. Rotate
    to a new key, or raise `lifetime`.

failure-budget
    More Shoots fail since they were moved than waves.failure_budget allows, so no other Shoot is moved. The record
    names them. Look at their last error; a Shoot that fails for reasons of its own can be waived (`rotator waive`).
    To go back: rotator rotate CREDENTIAL --to OLD-KEY.

foreign-installation
    What the rotator found carries the mark of another installation of it. Two installations must not rotate one
    account: decide which one does, and take the account out of the other's rotator.toml.

foreign-secret
    A Secret with the old key was not written by the rotator, belongs to a tool that would write it again, or to
    another installation, so it is not deleted. Remove it at its source (the record names tool and marker), or
    delete it if a person wrote it by hand; then retry. An order keeps the policy of its day: adopt = true lets retirements
    that begin later do it themselves. The old key works until then.

garden-access
    The Garden's Role for the rotator lacks a permission. The record names verb and resource; a project admin runs the
    next command, then retry. `rotator doctor` shows all that is missing.

garden-answer
    The Garden answered something that the rotator does not understand. The record has the words. Check address and
    proxies, then retry.

garden-tls
    No trusted connection to the Garden: its certificate does not fit the CA file or the address. Correct the
    kubeconfig or ca_file, then retry.

garden-token
    The rotator's credentials for a Garden cannot be read or are not accepted any more. Renew the kubeconfig or the
    token file, then retry.

google-answer
    Google refused a call in a way that the rotator does not understand. The record has the words. Mend what they
    say, then retry.

iam-permission
    The rotator's identity lacks a permission on the service account, or the account is not there. The next command
    grants it; retry after that. `rotator doctor` shows all that is missing.

key-cap
    IAM allows ten user-managed keys per account, and one is left free for a person in an emergency. Delete a key
    that nobody needs (rotator discover shows them), then retry.

key-is-dead
    The key that a rotation was to go back to is disabled, expired or deleted at IAM. Enable it if it is only
    disabled, or rotate to a new key.

key-not-accepted
    Google's token endpoint does not accept the new key, after waits.propagation. Either IAM is slow beyond all
    measure, or the key was disabled or deleted meanwhile, or the clock is wrong. No Shoot has been moved. Look at
    the key, then retry, or rotate with --new.

lifetime
    An organisation policy limits how long keys may live, and the policy's lifetime is longer. Shorten `lifetime`
    and `max_age`, or ask for an exception, then retry.

material-lost
    Neither staging nor any Secret holds the private half of the key any more, so it can serve nobody. Rotate with
    --new.

moved-on
    The record changed between your look and your command, by another process or person. Look again, then decide.

name-taken
    A Secret of the name that this rotation needs is there already, with other content. It is left alone. Rotate
    with --new, which takes the next name.

nobody-uses-it
    No Shoot in scope uses this credential any more, so there is no place to put a new key. Retry when a Shoot does, or
    leave it: the unused key harms nobody.

no-credentials
    The rotator has no identity at Google on this machine, or its login has expired. Log in with the next command,
    then retry.

no-key-file
    Google created a key, but what came back was no key file, so nobody has its private half. The next command
    deletes that key; retry after that.

no-secret-holds-it
    No Secret in scope holds the key that a rotation was to go back to, so its private half is lost. Rotate to a new
    key.

org-policy
    An organisation policy forbids uploading or creating keys. Set `mint` to the other way if that is allowed, or
    ask for an exception, then retry.

own-rules
    A Secret that the rotator was about to write would break the rules of Gardener's registry-cache webhook. Nothing
    was written. The record says which rule; this is a fault of the program or of the account's data, please report
    it.

past-return
    The key's retirement has begun to delete its Secrets; there is no way back to it any more. Rotate to a new key.
    A key that is only disabled can be enabled with `rotator reenable`.

precondition
    IAM refused without saying why. Most often it is an organisation policy, or ten keys. The next command lists the
    keys; look at the policies, too, then retry.

queue-missing
    There is no topic for the messages to workers. Make it with the next command, or correct ROTATOR_WORK_TOPIC. Nothing
    is lost meanwhile: the schedule says so each time, and finds the work again.

queue-permission
    The rotator may not publish to the topic of its workers. The next command grants it. Nothing is lost meanwhile.

re-created
    A Secret with the old key was deleted several times and is back each time: somebody or some tool writes it again.
    Stop that at its source, then retry. The old key works until then.

realm-mismatch
    A registry named another host as the place to log in. The key was not sent there. Check that the upstream is the
    Artifact Registry that you mean.

reenabled
    A person took this key back with `rotator reenable`. It is kept, enabled, and nobody is waited for. To retire it after
    all, retry the record: then its retirement begins again from the start.

refused
    Shoots refuse to be moved, and none could be for as long as waits.settle. The record has Gardener's words for
    each. Mend the Shoots or their admission, then retry.

registry-answer
    An upstream does not answer as a registry does. Check that it is an Artifact Registry and reachable from here,
    then retry.

secret-refused
    The Garden refuses to create the new Secret, for example by a quota or an admission policy. The record has its
    words. Mend that, then retry.

shut-gate
    The program asked for leave to burn something while a gate was shut, and got none. Nothing was taken away. This
    is a fault of the program; please report it with `rotator describe ID -o json`.

staged-key-disabled
    Somebody disabled the staged private key in Secret Manager. The next command enables it; retry after that.

staged-key-lost
    The private half of the new key was destroyed in Secret Manager before it was published. Nothing uses that key.
    Rotate with --new; the lost key is retired by itself.

staged-key-unreadable
    What is staged in Secret Manager is not the private key that the rotator put there. Rotate with --new, and find
    out who writes to that secret.

staging-permission
    The rotator's identity lacks a permission at Secret Manager. The next command grants it; retry after that.
    `rotator doctor` shows all that is missing.

store
    The rotator's own store cannot be used: it is damaged, of a newer version, or of another program. Nothing was
    changed. The message names the file.

store-permission
    The rotator may not read or write its records in Firestore. The next command grants it; nothing goes on until then.

store-size
    A record has grown larger than a document of Firestore can be. It was not changed. This is a fault of the program;
    please report it with `rotator describe ID -o json`.

unproven-key
    A key appeared at IAM after the rotator had asked for one, but the answer was lost, so nobody can tell whose it
    is. It is not touched. If nobody knows it, delete it with the next command, which also retries.

upstream-name
    An upstream of a registry cache is no host name, so the key was not tried there. Correct the upstream in the
    Shoot.

usage-permission
    The rotator may not read the metric that tells when a key was used last. Without it the use is unknown and the
    longer wait counts (waits.unknown_use). The next command grants it.

used-while-disabled
    Somebody tried the old key after it had been disabled: there is a user that nobody knew. Take the key back with
    the next command, find the user (audit log), then retry.

wanted-key-dead
    The key that Shoots live on, or are being moved to, does not work any more. No further Shoot is moved. Rotate
    with --new at once; retirements hold until then.

webhook-refused
    Gardener's registry-cache webhook, asked by a dry run, refuses the new Secret. No Shoot has been moved. The
    record has its words. Mend that, then retry.
"""

CODES: dict[str, str] = {
    code: " ".join(text.split()) for code, text in re.findall(r"^(\S+)\n((?: {4}.*\n?)+)", _TEXT, flags=re.MULTILINE)
}


def meaning(code: str) -> str | None:
    """The paragraph for this code; None for a code that there is not."""
    return CODES.get(code)


def tree() -> dict[str, Any]:
    """All of them for machines."""
    return {"schema": "registry-key-rotator/v1", "kind": "codes", "codes": CODES}
