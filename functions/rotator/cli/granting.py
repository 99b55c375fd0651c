"""`rotator rbac`: the smallest rights that the rotator can live with, ready to be applied by whoever may give them."""

import argparse
import os
import re

import msgspec

from rotator import needs, wiring
from rotator.cli import FINE
from rotator.cli.desk import Desk
from rotator.clients import calls
from rotator.errors import Invalid, RotatorError, Transient
from rotator.needs import PlaceNeeds
from rotator.neighbours import Neighbours
from rotator.report import google_roles, role
from rotator.report.role import Subject
from rotator.settings import GardenSettings, Settings, load
from rotator.world import Garden

ASKING = 8.0
"""Seconds for a Garden to answer at all: a person waits, and a Garden that is down is said at once."""

NAME = "registry-key-rotator"
NOBODY = "serviceAccount:ROTATOR@PROJECT.iam.gserviceaccount.com"
_MEMBER = re.compile(r"(serviceAccount|user|group):[^@\s\"'$`\\]+@[a-zA-Z0-9.-]+|(principal|principalSet)://[^\s\"'$`\\]+")


def rbac(asked: argparse.Namespace, desk: Desk) -> int:
    """The Role and RoleBinding of each namespace, or the roles at Google, were printed."""
    settings = load(asked.config, os.environ)
    if asked.google:
        return _google(asked, desk, settings)
    garden = _garden(settings, asked)
    namespace = (asked.place or "").partition("/")[2]
    if asked.member:
        raise Invalid(("rbac: --member is for --google; a Garden's Role is bound with --user or --service-account",))
    every = [one for one in _needs(asked, settings, garden, desk) if one.place.garden == garden.name]
    name, subjects = _name(settings, asked), _subjects(asked, settings, garden)
    if garden.token_secret:
        every = needs.renewing(every, garden.name, [(each.namespace, each.name) for each in subjects if each.namespace])
    places = [one for one in every if namespace in ("", one.place.namespace)]
    if not places:
        listed = ", ".join(one.place.namespace for one in every)
        raise Invalid((f"rbac: Garden {garden.name} has no namespace {namespace} in {settings.file}; it has {listed}",))
    for one in places:
        if one.unread:
            raise Invalid((_unread(garden, one),))
    whom, only = " and ".join(map(str, subjects)), "subject" if len(subjects) == 1 else "subjects"
    desk.say(f"for {whom}, which `kubectl apply` makes the only {only} of RoleBinding {name}")
    if desk.json:
        desk.tree(role.tree(name, places, *subjects))
    else:
        desk.verbatim(role.lines(name, places, *subjects))
    return FINE


def _name(settings: Settings, asked: argparse.Namespace) -> str:
    """Of Role and RoleBinding: each identity has its own, or the next one applied would replace it."""
    return "-".join(filter(None, (NAME, settings.installation, asked.identity)))


def _needs(asked: argparse.Namespace, settings: Settings, garden: GardenSettings, desk: Desk) -> tuple[PlaceNeeds, ...]:
    if asked.kubeconfig:
        login = msgspec.structs.replace(garden, kubeconfig=asked.kubeconfig, context="")
        gardens = tuple(login if each.name == garden.name else each for each in settings.garden)
        settings = msgspec.structs.replace(settings, garden=gardens)
    neighbours = Neighbours(settings)
    try:
        if asked.all_secrets:
            return needs.wide(neighbours.places, neighbours.charges, asked.identity)
        own = {garden.name: _answering(neighbours, next(each for each in settings.garden if each.name == garden.name))}
        records, unreadable = wiring.written(settings, neighbours.places)
        if unreadable:
            raise Invalid(unreadable)
        if not wiring.there(settings):
            desk.say(f"no records at {settings.store}: names that only they know are not in this Role")
        seen = needs.look(
            settings.installation,
            neighbours.charges,
            records,
            own | _others(settings, neighbours, garden),
            neighbours.places,
        )
        return needs.narrow(seen, asked.versions, asked.identity)
    finally:
        neighbours.close()


def _answering(neighbours: Neighbours, settings: GardenSettings) -> Garden:
    """The Garden, which has just answered, whatever it said. Raises: Transient within ASKING seconds, Invalid, Permanent."""
    garden = neighbours.garden(settings)
    try:
        with calls.within(ASKING, patience=0.0):
            garden.who()
    except Transient:
        raise
    except RotatorError:
        pass  # it need not say who we are; what matters more will be asked, and told
    return garden


def _others(settings: Settings, neighbours: Neighbours, garden: GardenSettings) -> dict[str, Garden]:
    """The other Gardens, as far as they can be had: a Secret there may have taken a number."""
    found: dict[str, Garden] = {}
    for each in settings.garden:
        if each.name != garden.name:
            try:
                found[each.name] = _answering(neighbours, each)
            except RotatorError:
                continue
    return found


def _garden(settings: Settings, asked: argparse.Namespace) -> GardenSettings:
    names = [garden.name for garden in settings.garden]
    word = (asked.place or "").partition("/")[0]
    if not word and len(names) > 1:
        listed = ", ".join(names)
        raise Invalid(
            (f"rbac: kubectl talks to one Garden; say which ({listed}): rotator rbac {names[0]} | kubectl apply -f -",)
        )
    for garden in settings.garden:
        if word in ("", garden.name):
            return garden
    raise Invalid((f"rbac: there is no Garden {word} in {settings.file}; there are {', '.join(names)}",))


def _unread(garden: GardenSettings, place: PlaceNeeds) -> str:
    why = place.unread[0].partition("; grant ")[0]
    return (
        f"rbac: the Secrets of {place.place} cannot be named ({why}); look with a login that may read them:"
        f" rotator rbac {place.place} --kubeconfig ADMIN.yaml, or print the Role for Secrets of any name:"
        f" rotator rbac {garden.name} --all-secrets"
    )


def _subjects(asked: argparse.Namespace, settings: Settings, garden: GardenSettings) -> tuple[Subject, ...]:
    """Whom the command names; else whom the rotator's own login belongs to; else a service account that may come to be."""
    if asked.user:
        return tuple(map(Subject, asked.user))
    namespace, _, name = (asked.service_account or NAME).rpartition("/")
    made = Subject(name, namespace or garden.namespaces[0])
    if asked.service_account:
        return (made,)
    neighbours = Neighbours(settings)
    try:
        with calls.within(ASKING, patience=0.0):
            user = neighbours.garden(garden).who()
    except RotatorError:
        return (made,)
    finally:
        neighbours.close()
    account = re.fullmatch(r"system:serviceaccount:([^:]+):([^:]+)", user)
    return (Subject(account[2], account[1]) if account else Subject(user),)


def _google(asked: argparse.Namespace, desk: Desk, settings: Settings) -> int:
    given = [("GARDEN", asked.place), ("--kubeconfig", asked.kubeconfig), ("--user", asked.user)]
    given += [("--service-account", asked.service_account), ("--all-secrets", asked.all_secrets)]
    if wrong := [word for word, value in given if value]:
        raise Invalid((f"rbac: {', '.join(wrong)} is for a Garden; with --google say --member, and --for if need be",))
    if asked.member and not _MEMBER.fullmatch(asked.member):
        raise Invalid((f"rbac: --member {asked.member}: it has the form {NOBODY} (or user:, group:, principal://...)",))
    if not asked.member:
        desk.say(f"no --member was given: put it in place of {NOBODY}")
    neighbours = Neighbours(settings)
    member = asked.member or NOBODY
    topic = settings.deployment.expiry_topic
    tokens = [each.token_secret for each in settings.garden if each.token_secret]
    found = google_roles.commands(settings.installation, neighbours.charges, neighbours.staging, topic, asked.identity, tokens)
    if desk.json:
        desk.tree(google_roles.tree(member, found))
    else:
        desk.verbatim(google_roles.lines(member, found))
    return FINE
