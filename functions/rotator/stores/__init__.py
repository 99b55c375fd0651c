"""Implementations of `rotator.store`: one file per engine, all held to one contract suite (tests/test_store_contract.py).

They import nouns, errors and the contract. What a driver raises is translated here; a body is carried, never decoded.
"""
