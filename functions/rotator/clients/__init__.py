"""The neighbours of `world`, spoken to over the wire: one module per neighbour (`garden` is a package).

They import nouns, errors, `world`'s small values, and what clients share: `calls` (timeout, retry, the time that servers tell),
`crypto` (key pairs, certificates, fingerprints, signatures), `route` (connections to Google or to a sandbox), `token` (one
plain access token), `rpc` and `rest` (a call and what its refusal means) and `words` (a server's text made fit for a message).
Everything a driver raises is translated here, once; no response body, no header and no key material ever reaches a message.
"""
