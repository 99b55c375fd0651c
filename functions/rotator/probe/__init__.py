"""The first hour on a real project: what we believe of Google, asked of Google itself, on a service account to throw away.

Nothing here is needed by a rotation, and no rotation needs this. It makes keys, so it stands on the real clients, takes away
only keys that this very process has made, and takes them away whatever happens.
"""
