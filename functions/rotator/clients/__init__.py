"""The neighbours of `world`, spoken to over the wire: one file per neighbour.

They import nouns, errors and two shared modules: `calls` (timeout, retry, translation, the time that servers tell) and `crypto`
(key pairs, certificates, fingerprints, signatures). Everything a driver raises is translated here, once; no response body, no
header and no key material ever reaches a message.
"""
